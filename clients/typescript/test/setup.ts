/** What tests share: the server that `clients/with-server` started, and a fetch that can be watched and can fail. */

import { createClient, makeId, type ClientOptions } from "@broadsheet/client";

function need(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run the tests with clients/with-server`);
  return value;
}

export const URL_ = need("BROADSHEET_URL");
export const KEY = need("BROADSHEET_KEY");
export const SLUG = "in-praise-of-the-slow-bridge";

export const reader = (options: Partial<ClientOptions> = {}) => createClient({ url: URL_, ...options });
export const editor = (options: Partial<ClientOptions> = {}) => createClient({ url: URL_, key: KEY, ...options });

/** Text that no comment had before, since duplicates are refused. */
export const words = (text: string) => `${text} (${makeId()})`;

/** A fetch that notes its requests; `answer` may answer the nth in the server's place, or throw. */
export function watch(answer: (n: number, request: Request) => Response | undefined = () => undefined) {
  const requests: Request[] = [];
  const answers: Response[] = [];
  const watched: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    requests.push(request.clone());
    const response = answer(requests.length, request) ?? (await fetch(request));
    answers.push(response);
    return response;
  };
  return { fetch: watched, requests, answers };
}

export const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ type: `/problems/${code}`, title: code, status, detail: "", code, request_id: "1" }), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
