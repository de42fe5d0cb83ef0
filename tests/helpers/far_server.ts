import type { UrlServerConfig } from "../../lib/config/server_config.ts";
import type { ServerFetch } from "../../lib/remote/bounded_fetch.ts";
import type { UpstreamTransport } from "../../lib/transport/upstream_transport.ts";
import type { RpcMessage } from "../../lib/wire/rpc.ts";
import { parsed } from "./messages.ts";

export const FAR = {
  kind: "http",
  name: "far",
  title: "far",
  url: "https://far/mcp",
  headers: {},
  fallBackToSse: false,
} as never as UrlServerConfig;

export interface FarRequest {
  method: string;
  url: string;
  headers: Headers;
  message: RpcMessage & { method?: string; id?: number };
  signal: AbortSignal;
}

/** A server behind a URL that is reached without a network: each request is answered as `answer` says. */
export class Far {
  readonly asked: FarRequest[] = [];
  readonly messages: unknown[] = [];
  readonly log: string[] = [];
  answer: (request: FarRequest) => Response | Error | Promise<Response>;

  constructor(answer: Far["answer"]) {
    this.answer = answer;
  }

  readonly fetch: ServerFetch = async (url, init) => {
    const request: FarRequest = {
      method: init!.method!,
      url: String(url),
      headers: new Headers(init!.headers),
      message: typeof init!.body === "string" ? JSON.parse(init!.body) : undefined,
      signal: init!.signal!,
    };
    this.asked.push(request);
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    request.signal.addEventListener("abort", () => reject(request.signal.reason));
    const answer = await Promise.race([this.answer(request), promise]);
    if (answer instanceof Error) throw answer;
    if (answer.body === null) return answer;
    // As with a real one, giving up the request ends its body.
    const pipe = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
    const body = answer.body.pipeThrough(pipe, { signal: request.signal });
    return new Response(body, { status: answer.status, headers: answer.headers });
  };

  /** Notes what `transport` says. */
  hear<T extends UpstreamTransport>(transport: T): T {
    transport.onmessage = (message) => void this.messages.push(parsed(message));
    transport.onerror = ({ message }) => void this.log.push(`error ${message}`);
    transport.onclose = () => void this.log.push("closed");
    transport.onlost = (why) => void this.log.push(`lost ${why}`);
    transport.onresumed = () => void this.log.push("resumed");
    return transport;
  }

  /** Requests of one HTTP method. */
  of(method: string): FarRequest[] {
    return this.asked.filter((request) => request.method === method);
  }
}

export const json = (value: unknown, headers: Record<string, string> = {}, type = "application/json") =>
  new Response(JSON.stringify(value), { headers: { "content-type": type, ...headers } });

export const events = (text: string, headers: Record<string, string> = {}) =>
  new Response(text, { headers: { "content-type": "text/event-stream", ...headers } });

/** A stream of events that goes on until the test ends it. */
export function openEvents(text = "") {
  let control!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (control = controller) });
  const encoder = new TextEncoder();
  const say = (more: string) => control.enqueue(encoder.encode(more));
  if (text !== "") say(text);
  return {
    response: new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>, {
      headers: { "content-type": "text/event-stream" },
    }),
    say,
    end: () => control.close(),
    cut: (error: Error) => control.error(error),
  };
}
