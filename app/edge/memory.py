"""Kept answers in memory: a segmented LRU bounded by bytes, with an index by cache group."""

from collections import OrderedDict
from collections.abc import Callable, Iterable

from app.edge.answers import Alias, Answer, Key
from app.events.cache_groups import COUNTS_PREFIX

PROTECTED_SHARE = 0.8  # of the bytes, at most, for answers that were requested again
MAX_ANSWER_SHARE = 0.125  # of the bytes, for one answer
MAX_ALIASES = 4  # per answer
MAX_ALIAS_BYTES = 400  # per alias; beyond these limits requests find the answer by its key


class Memory:
    """New answers are on probation and are evicted first; answers that are requested again are protected.

    A crawl of the whole site thus displaces only answers on probation.
    """

    def __init__(self, max_bytes: int, on_drop: Callable[[Answer], object]) -> None:
        self.max_bytes, self._on_drop = max_bytes, on_drop
        self._answers: dict[Key, Answer] = {}
        self.by_alias: dict[Alias, Answer] = {}
        self._groups: dict[str, set[Answer]] = {}
        self._probation: OrderedDict[Answer, None] = OrderedDict()  # the next one to evict first
        self._protected: OrderedDict[Answer, None] = OrderedDict()
        self._protected_bytes = 0
        self.size = 0  # bytes

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, key: Key, alias: Alias | None) -> Answer | None:
        """Find an answer by its key, and remember the alias, by which the same request finds it without parsing."""
        answer = self._answers.get(key)
        if answer is not None and alias is not None:
            self._remember(alias, answer)
        return answer

    def _remember(self, alias: Alias, answer: Answer) -> None:
        if alias in self.by_alias or len(answer.aliases) >= MAX_ALIASES:
            return
        if sum(len(part) for part in alias if part) <= MAX_ALIAS_BYTES:
            answer.aliases.append(alias)
            self.by_alias[alias] = answer

    def holds(self, answer: Answer) -> bool:
        """Whether this answer is kept, and not a later one with its key."""
        return self._answers.get(answer.key) is answer

    def touch(self, answer: Answer) -> None:
        """Note that an answer was requested again."""
        if answer.is_protected:
            self._protected.move_to_end(answer)
            return
        del self._probation[answer]
        self._protected[answer] = None
        answer.is_protected = True
        self._protected_bytes += answer.size
        while self._protected_bytes > self.max_bytes * PROTECTED_SHARE:
            oldest, _ = self._protected.popitem(last=False)
            oldest.is_protected = False
            self._protected_bytes -= oldest.size
            self._probation[oldest] = None

    def add(self, answer: Answer, *aliases: Alias) -> bool:
        """Keep an answer, to be found by aliases, too; it replaces one with its key and evicts others for its space.

        Return whether it is kept: a large one is not.
        """
        if former := self._answers.get(answer.key):
            self.drop(former)
        if answer.size > self.max_bytes * MAX_ANSWER_SHARE:
            return False
        self._answers[answer.key] = answer
        self._probation[answer] = None
        for group in answer.groups:
            self._groups.setdefault(group, set()).add(answer)
        self.size += answer.size
        while self.size > self.max_bytes:
            self.drop(next(iter(self._probation or self._protected)))
        is_kept = answer.key in self._answers
        for alias in aliases if is_kept else ():
            self._remember(alias, answer)
        return is_kept

    def drop(self, answer: Answer) -> None:
        """Drop an answer."""
        del self._answers[answer.key]
        for alias in answer.aliases:
            del self.by_alias[alias]
        for group in answer.groups:
            self._groups[group].discard(answer)
            if not self._groups[group]:
                del self._groups[group]
        if answer.is_protected:
            del self._protected[answer]
            self._protected_bytes -= answer.size
        else:
            del self._probation[answer]
        self.size -= answer.size
        self._on_drop(answer)

    def evict(self, groups: Iterable[str]) -> None:
        """Drop all answers of these cache groups; those with outdated counts that can be renewed stay, marked."""
        for group in groups:
            is_of_counts = group.startswith(COUNTS_PREFIX)
            for answer in list(self._groups.get(group, ())):
                if is_of_counts and answer.renewal is not None:
                    answer.is_outdated = True
                else:
                    self.drop(answer)

    def clear(self) -> None:
        """Drop all answers."""
        for answer in list(self._answers.values()):
            self.drop(answer)
