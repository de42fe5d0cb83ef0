import { SECOND_MS } from "../base/units.ts";

/**
 * How long a connection waits for the next message: less than servers wait before they close one (gunicorn 2 s; Node,
 * uvicorn and Apache 5 s). A message sent while the server closes is lost, and nobody can say whether it ran.
 */
const MAX_IDLE_MS = 1.5 * SECOND_MS;

let client: Deno.HttpClient | undefined;

/** The client that messages are posted with. */
export function postClient(): Deno.HttpClient {
  return client ??= Deno.createHttpClient({ poolIdleTimeout: MAX_IDLE_MS });
}

/** Whether `other` is that client, and may be replaced by another. */
export function isPostClient(other: Deno.HttpClient): boolean {
  return other === client;
}

/**
 * `text` as a body that is sent once. `fetch` sends a request a second time, without a word, when a connection that it
 * had kept breaks before the answer, and a call would run twice; but not one whose body is a blob, which it reads while
 * it sends. A connection for each message would do too, and costs 4 ms and more over TLS in place of 0.1 ms.
 */
export function sentOnce(text: string): Blob {
  return new Blob([text]);
}
