/** The parts of the client and the API that the component uses. */

import type { Schemas } from "./client.ts";

export type { ArticleWithDiscussion, Client, LiveEvent } from "./client.ts";
export type Comment = Schemas["CommentOut"];
export type ThreadedComment = Schemas["ThreadedCommentOut"];
export type NewComment = Schemas["CommentIn"];
export type PostedComment = Schemas["PostedOut"];
export type ReportReason = Schemas["ReportReason"];
export type DiscussionState = Schemas["DiscussionOut"];
export type Anchor = Schemas["PassageOut"];
export type Rules = Schemas["DiscussionRules"];
export type Sort = "newest" | "oldest" | "best" | "controversial";
export type Notify = "none" | "replies" | "all";
