// Requests to the API: tokens and their renewal, problems, versions for If-Match, live streams.

export const API = document.querySelector('meta[name="api"]').content;
const STORED = "desk.session"; // shared by the tabs of a browser: {access_token, refresh_token} or {access_token: key}
const RENEW_BEFORE_MS = 60_000;
const RECONNECT_MS = 2_000;

/** An error answer (RFC 9457), told apart by `code`; its message is for people. */
export class Problem extends Error {
  constructor(status, details = {}) {
    const { title, detail = title ?? `The server answered ${status}.`, errors = [] } = details;
    const parts = errors.map((error) => (error.pointer ? `${error.pointer.slice(1)}: ${error.detail}` : error.detail));
    super((parts.some((part) => part.endsWith(detail)) ? parts : [detail, ...parts]).join(" "));
    Object.assign(this, { status, code: details.code, details });
  }
}

const DEVICE = "desk.device"; // lets a browser that has signed in before do so while others try passwords

export const readDevice = () => localStorage.getItem(DEVICE) ?? undefined;

export const readSession = () => JSON.parse(localStorage.getItem(STORED));

/** Keep what a sign-in answered, or forget it with null. */
export function storeSession(answer) {
  if (!answer) return localStorage.removeItem(STORED);
  if (answer.device_token) localStorage.setItem(DEVICE, answer.device_token);
  const expires_at = answer.expires_in ? Date.now() + answer.expires_in * 1000 : null;
  localStorage.setItem(STORED, JSON.stringify({ ...answer, expires_at }));
}

/** Renew the access token, in one tab at a time: a refresh token works once, and its second use ends the session. */
function renew(stale) {
  return navigator.locks.request("desk.renew", async () => {
    const session = readSession();
    if (!session?.refresh_token || session.access_token !== stale) return; // signed out, or renewed by another tab
    const answer = await send("POST", "/v1/sign-in/refresh", { body: { refresh_token: session.refresh_token }, token: null });
    if (answer.ok) storeSession(await answer.json());
    else if (answer.status < 500 && answer.status !== 429) storeSession(null);
  });
}

/** Renew before the token expires, so that nobody waits for it. */
setInterval(() => {
  const session = readSession();
  if (session?.expires_at && Date.now() > session.expires_at - RENEW_BEFORE_MS) renew(session.access_token).catch(() => {});
}, RENEW_BEFORE_MS / 4);

const unanswered = new Map(); // keys of POST requests by what was sent: sent again, they are done once

async function send(method, path, { body, version, headers, token = readSession()?.access_token, ...options } = {}) {
  const content = body && JSON.stringify(body);
  const what = `${method} ${path} ${content}`;
  const key = method === "POST" && (unanswered.get(what) ?? crypto.randomUUID());
  const sent = {
    Accept: "application/json",
    ...(token && { Authorization: `Bearer ${token}` }),
    ...(version && { "If-Match": version }),
    ...(content && { "Content-Type": "application/json" }),
    ...(key && { "Idempotency-Key": key }),
    ...headers,
  };
  try {
    const init = { method, headers: sent, body: content, credentials: "omit", cache: "no-store", ...options };
    const answer = await fetch(API + path, init);
    unanswered.delete(what);
    return answer;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (key) unanswered.set(what, key);
    throw new Problem(0, { detail: "The server cannot be reached. What you typed is still here: try again in a moment." });
  }
}

async function open(method, path, options) {
  const { access_token: token, refresh_token: isRenewable } = readSession() ?? {};
  let answer = await send(method, path, options);
  const isRefused = () => answer.status === 401 && options.token === undefined && token;
  if (isRefused() && isRenewable) {
    await renew(token);
    if (readSession()) answer = await send(method, path, options);
  }
  if (answer.ok) return answer;
  if (isRefused()) {
    storeSession(null);
    dispatchEvent(new Event("signed-out"));
    throw new Problem(401, { detail: "Your session has ended. Sign in again to go on where you were." });
  }
  throw new Problem(answer.status, await answer.json().catch(() => ({})));
}

const underWay = new Set();
/** Wait for the requests that are under way. */
export const settle = () => Promise.allSettled(underWay);

/** Send a request; return its JSON and its version for `If-Match`. Throws `Problem`. */
export async function call(method, path, options = {}) {
  const request = open(method, path, options);
  underWay.add(request);
  const answer = await request.finally(() => underWay.delete(request));
  const text = await answer.text();
  return { data: text ? JSON.parse(text) : null, version: answer.headers.get("ETag") };
}

const shorthand = (method) => async (path, body, options) => (await call(method, path, { body, ...options })).data;
export const get = async (path, options) => (await call("GET", path, options)).data;
export const [post, put, patch, remove] = ["POST", "PUT", "PATCH", "DELETE"].map(shorthand);

/** Read a list to its end. */
export async function all(path, options) {
  const items = [];
  for (let cursor = ""; cursor !== null; ) {
    const { data, page } = await get(`${path}${path.includes("?") ? "&" : "?"}limit=100${cursor && `&cursor=${cursor}`}`, options);
    items.push(...data);
    cursor = page.next;
  }
  return items;
}

/** A query string of those parameters that have a value. */
export const query = (parameters) => `?${new URLSearchParams(Object.entries(parameters).filter(([, value]) => value))}`;

/**
 * Receive the events of a stream (Server-Sent Events) until the signal is aborted, and go on after interruptions where
 * it ended. EventSource cannot send a token.
 */
export async function* follow(path, signal) {
  for (let last; !signal.aborted; ) {
    try {
      const headers = { Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) };
      const { body } = await open("GET", path, { headers, signal });
      yield { type: "open" }; // what was read before may be old by now
      let text = "";
      for await (const piece of readPieces(body.pipeThrough(new TextDecoderStream()))) {
        const frames = (text + piece).split("\n\n");
        text = frames.pop();
        for (const frame of frames) {
          const lines = Object.fromEntries(frame.split("\n").map((line) => line.split(/: ?(.*)/s, 2)));
          last = lines.id ?? last;
          if (lines.event) yield { type: lines.event, data: lines.data && JSON.parse(lines.data) };
        }
      }
    } catch (error) {
      if (error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
    }
    if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
  }
}

async function* readPieces(stream) {
  const reader = stream.getReader();
  try {
    for (let read; !(read = await reader.read()).done; ) yield read.value;
  } finally {
    reader.cancel().catch(() => {}); // it may have failed already
  }
}
