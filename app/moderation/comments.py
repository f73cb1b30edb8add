"""The rules of moderation for the comments room; implements `app.comments.moderation.CommentModeration`."""

from app.moderation.comment_access import check_reach, may_moderate
from app.moderation.decisions import remove_comment
from app.moderation.forgetting import withdraw_comments


class RulesForComments:
    """What happens when moderators, or authors, remove comments."""

    check_reach = staticmethod(check_reach)
    may_moderate = staticmethod(may_moderate)
    remove = staticmethod(remove_comment)
    settle_withdrawn = staticmethod(withdraw_comments)
