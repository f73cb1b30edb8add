/** Following what others do, by the stream that all tabs share. */

import type { Client, LiveEvent } from "./types.ts";

/**
 * Receive events until the signal aborts; without a stream the discussion stands still. The stream is opened before the
 * discussion is read, so that nothing is missed in between: its events wait until that is loaded.
 */
export async function followArticle(
  api: Client,
  loaded: Promise<void>,
  receive: (event: LiveEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const event of api.follow(signal)) {
      await loaded;
      if (signal.aborted) return;
      receive(event);
    }
  } catch (error) {
    if (!signal.aborted) console.warn("broadsheet-comments: the discussion is not followed live", error);
  }
}
