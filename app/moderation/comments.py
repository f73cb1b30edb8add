"""What the room of comments is given of moderation: `app.comments.schemas.CommentModeration`."""

from app.moderation.comment_access import check_reach
from app.moderation.decisions import remove_comment
from app.moderation.forgetting import withdraw_comments


class RulesForComments:
    """Moderators change comments, and authors take them back, by the rules of moderation."""

    check_reach = staticmethod(check_reach)
    remove = staticmethod(remove_comment)
    settle_withdrawn = staticmethod(withdraw_comments)
