/** Server-Sent Events over fetch (WHATWG HTML §9.2), which unlike `EventSource` is in every runtime. */

/** An event, or only the id up to which a client has everything. */
export interface Frame {
  id?: string;
  event?: string;
  data?: unknown;
  /** Milliseconds to wait before connecting again. */
  retry?: number;
}

/** Read the frames of a stream as they arrive; throw when nothing arrives for too long. */
export async function* readFrames(body: ReadableStream<Uint8Array>, silenceSeconds: number): AsyncGenerator<Frame, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let buffer = "";
  try {
    for (;;) {
      const { done, value } = await readInTime(reader, silenceSeconds);
      if (done) return; // a frame without its end is not an event
      buffer += decoder.decode(value, { stream: true });
      const blocks = buffer.split("\n\n");
      buffer = blocks.pop() ?? "";
      for (const block of blocks) yield parseFrame(block);
    }
  } finally {
    await reader.cancel().catch(() => undefined); // it may have failed already
  }
}

async function readInTime(reader: ReadableStreamDefaultReader<Uint8Array>, seconds: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TypeError("The stream is silent")), seconds * 1000);
  });
  return Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
}

function parseFrame(block: string): Frame {
  const frame: Frame = {};
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [, name, value = ""] = /^(\w+)(?:: ?(.*))?$/.exec(line) ?? [];
    if (name === "id") frame.id = value;
    else if (name === "event") frame.event = value;
    else if (name === "data") data.push(value);
    else if (name === "retry") frame.retry = Number(value);
  }
  if (data.length) frame.data = JSON.parse(data.join("\n"));
  return frame;
}
