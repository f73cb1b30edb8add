"""Routes of approval: submitting, approving and returning texts, and the rules of sections."""

import sqlalchemy as sa
from fastapi import Request
from starlette.responses import Response

from app.articles import approval_rules, approving
from app.articles.approval_rules import RuleView
from app.articles.approval_schemas import (
    ApprovalRuleIn,
    ApprovalRuleOut,
    ApprovalStepOut,
    ApproveIn,
    ReturnIn,
    SubmitIn,
)
from app.articles.approving import FourEyesRequired
from app.articles.editorial_routes import ARTICLE_EDIT, list_for_editors, show_edited
from app.articles.routes import RETRACTED
from app.articles.schemas import SingleArticleOut
from app.articles.tables import SITE_ID
from app.core.ids import RefPath
from app.core.problems import NotFound, document_problems
from app.identity.access import Admin, Approver, DraftReader, ExpectedVersions, Writer
from app.identity.writes import write
from app.web.paging import ListOut
from app.web.responses import database, reply_private, reply_private_list
from app.web.routing import PageParameters, ReadParameters, RouteOptions, Router

router = Router(prefix="/v1", tags=["approval"])
RULE: RouteOptions = {"response_model": ApprovalRuleOut}
APPROVAL: RouteOptions = {"response_model": SingleArticleOut, "responses": document_problems(FourEyesRequired)}


@router.post("/articles/{article}/submit", summary="Submit an article for approval", **ARTICLE_EDIT)
async def submit_article(
    request: Request, article: RefPath, versions: ExpectedVersions, actor: Writer, body: SubmitIn | None = None
) -> Response:
    """Submit a revision for approval: the one named, or the newest."""
    action = approving.submit_article
    data = body or SubmitIn()
    return await write(
        request, actor, action, article, data, versions, render=show_edited(request), model=SingleArticleOut
    )


@router.post("/articles/{article}/approve", summary="Approve an article", **APPROVAL)
async def approve_article(
    request: Request, article: RefPath, body: ApproveIn, versions: ExpectedVersions, actor: Approver
) -> Response:
    """Approve the revision named, and no other one: what is saved later needs an approval of its own.

    Where the section requires four eyes, callers are refused who wrote a part of the text that nobody else approved.
    """
    action = approving.approve_article
    return await write(
        request, actor, action, article, body, versions, render=show_edited(request), model=SingleArticleOut
    )


@router.post("/articles/{article}/return", summary="Return an article to its writers", **ARTICLE_EDIT)
async def return_article(
    request: Request, article: RefPath, body: ReturnIn, versions: ExpectedVersions, actor: Approver
) -> Response:
    """Return a revision to its writers with a note, which also takes back its approval.

    A text that is public stays so. A scheduled one is not published at its time, unless it is approved again by then.
    """
    action = approving.return_article
    return await write(
        request, actor, action, article, body, versions, render=show_edited(request), model=SingleArticleOut
    )


@router.get(
    "/articles/{article}/approval",
    summary="List the approval steps of an article",
    response_model=ListOut[ApprovalStepOut],
    responses=RETRACTED,
)
async def list_approval_steps(
    request: Request, article: RefPath, query: PageParameters, actor: DraftReader
) -> Response:
    """List who submitted, approved and returned which revision when, newest first."""
    page = await list_for_editors(request, article, actor, approving.list_steps, query)
    return reply_private_list(request, ListOut[ApprovalStepOut], page, query)


@router.get("/approval", summary="Get the approval rule of the site", **RULE)
async def get_site_rule(request: Request, query: ReadParameters, actor: DraftReader) -> Response:
    """Return the rule of the site, which sections may override."""
    row = await database(request).read(approval_rules.read_rule, SITE_ID)
    return reply_private(request, ApprovalRuleOut, row, query, versioned=True)


@router.put("/approval", summary="Set the approval rule of the site", **RULE)
async def set_site_rule(request: Request, body: ApprovalRuleIn, versions: ExpectedVersions, actor: Admin) -> Response:
    """Replace the rule of the site. It holds for whatever is not public yet."""
    action = approval_rules.set_site_rule
    return await write(request, actor, action, body, versions, render=approval_rules.read_rule, model=ApprovalRuleOut)


@router.get("/sections/{section}/approval", summary="Get the approval rule of a section", **RULE)
async def get_section_rule(request: Request, section: RefPath, query: ReadParameters, actor: DraftReader) -> Response:
    """Return the rule of a section, own and effective."""

    def find(connection: sa.Connection) -> RuleView:
        row = approval_rules.find_section_rule(connection, section)
        if row is None:
            raise NotFound
        return row

    return reply_private(request, ApprovalRuleOut, await database(request).read(find), query, versioned=True)


@router.put("/sections/{section}/approval", summary="Set the approval rule of a section", **RULE)
async def set_section_rule(
    request: Request, section: RefPath, body: ApprovalRuleIn, versions: ExpectedVersions, actor: Admin
) -> Response:
    """Replace the rule of a section, which its subsections inherit. It holds for whatever is not public yet."""
    action = approval_rules.set_section_rule
    read = approval_rules.read_rule
    return await write(request, actor, action, section, body, versions, render=read, model=ApprovalRuleOut)
