import type { Json, JsonObject } from "../../lib/base/json.ts";

/** A span as it was received. */
export interface ReceivedSpan {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  /** 2: server, 3: client. */
  kind: number;
  attributes: Record<string, Json>;
  /** Names and attributes. */
  events: [string, Record<string, Json>][];
  /** 2: error. */
  status: JsonObject;
  traceState: string | undefined;
  durationMs: number;
  service: string;
}

type KeyValues = { key: string; value: Record<string, Json> }[];

/** Receives what is sent by OTLP over HTTP, and reads it where it is JSON. */
export class OtlpReceiver implements AsyncDisposable {
  readonly spans: ReceivedSpan[] = [];
  /** Bodies as text, whatever they are. */
  readonly bodies: string[] = [];
  readonly requests: { path: string; query: string; type: string | null; headers: Headers }[] = [];
  /** What it answers with. */
  status = 200;
  /** What it waits for before it answers. */
  until: Promise<void> = Promise.resolve();
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => this.#receive(request),
  );

  get endpoint(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Has spans sent here, as JSON. */
  get settings() {
    return { otlpEndpoint: this.endpoint, otlpProtocol: "http/json" } as const;
  }

  async #receive(request: Request): Promise<Response> {
    const type = request.headers.get("content-type");
    const { pathname: path, search: query } = new URL(request.url);
    this.requests.push({ path, query, type, headers: request.headers });
    const text = await request.text();
    this.bodies.push(text);
    await this.until;
    if (this.status === 200 && type === "application/json") this.spans.push(...spansIn(JSON.parse(text)));
    return new Response("{}", { status: this.status, headers: { "content-type": "application/json" } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

// deno-lint-ignore no-explicit-any
function spansIn({ resourceSpans }: any): ReceivedSpan[] {
  // deno-lint-ignore no-explicit-any
  return resourceSpans.flatMap(({ resource, scopeSpans }: any) =>
    // deno-lint-ignore no-explicit-any
    scopeSpans.flatMap(({ spans }: any) =>
      // deno-lint-ignore no-explicit-any
      spans.map((span: any): ReceivedSpan => ({
        ...span,
        parentSpanId: span.parentSpanId || undefined,
        attributes: read(span.attributes),
        // deno-lint-ignore no-explicit-any
        events: (span.events ?? []).map((event: any) => [event.name, read(event.attributes)]),
        durationMs: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
        service: String(read(resource.attributes)["service.name"]),
      }))
    )
  );
}

function read(pairs: KeyValues = []): Record<string, Json> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, Object.values(value)[0] ?? null]));
}
