import { SECOND_MS } from "../base/units.ts";

/**
 * How long a connection waits for the next message: less than servers wait before they close one, as a message that is
 * sent meanwhile is lost, and nobody can say whether it ran. In the clear that is the server itself (gunicorn 2 s; Node,
 * uvicorn and Apache 5 s), and a connection costs next to nothing. What speaks TLS stands before servers and waits a
 * minute or more, and mostly speaks HTTP/2, which says what was lost; there a connection costs two round trips.
 */
const MAX_IDLE_MS = { "http:": 1.5 * SECOND_MS, "https:": 50 * SECOND_MS };

const clients = new Map<keyof typeof MAX_IDLE_MS, Deno.HttpClient>();

/** The client that messages to `url` are posted with. */
export function postClient(url: string | URL): Deno.HttpClient {
  const protocol = new URL(url).protocol === "https:" ? "https:" : "http:";
  const known = clients.get(protocol);
  if (known) return known;
  const client = Deno.createHttpClient({ poolIdleTimeout: MAX_IDLE_MS[protocol] });
  clients.set(protocol, client);
  return client;
}

/** Whether `client` is one of those, and may be replaced by another. */
export function isPostClient(client: Deno.HttpClient): boolean {
  return clients.values().some((one) => one === client);
}

/**
 * `text` as a body that is sent once. `fetch` sends a request a second time, without a word, when a connection that it
 * had kept breaks before the answer, and a call would run twice; but not one whose body is a blob, which it reads while
 * it sends. A connection for each message would do too, and costs 4 ms and more over TLS in place of 0.1 ms.
 */
export function sentOnce(text: string): Blob {
  return new Blob([text]);
}
