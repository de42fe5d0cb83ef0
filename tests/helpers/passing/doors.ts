import type { JsonObject } from "../../../lib/base/json.ts";
import { RawHttp, sseEvents } from "../http_client.ts";
import { Shim } from "../shim.ts";
import { ArrivalQueue } from "./arrival_queue.ts";

/** A client that has initialized, by the texts it sends and gets. */
export interface TextClient extends AsyncDisposable {
  send(text: string): Promise<void>;
  /** The next message, but for changes of lists. */
  next(signal?: AbortSignal): Promise<string>;
}

const INITIALIZE: JsonObject = {
  protocolVersion: "2025-11-25",
  capabilities: { sampling: {}, elicitation: { form: {}, url: {} } },
  clientInfo: { name: "texts", version: "1" },
};

class Inbox extends ArrivalQueue<string> {
  override put(text: string): void {
    if (!/"method":"notifications\/\w+\/list_changed"/.test(text)) super.put(text);
  }
}

/** A client behind the real shim, which connects to the daemon at `url`. */
export async function shimClient(url: string): Promise<TextClient> {
  const shim = await Shim.start({ port: Number(new URL(url).port) });
  await shim.initialize(INITIALIZE);
  const inbox = new Inbox();
  let taken = shim.lines.length;
  const next = async (): Promise<string> => {
    await shim.next();
    inbox.put(shim.lines[taken++]!);
    return await next();
  };
  void next().catch(() => {});
  return {
    send: (text) => shim.send(text),
    next: (signal) => inbox.next(signal),
    [Symbol.asyncDispose]: () => shim[Symbol.asyncDispose](),
  };
}

/** A client over WebSocket that says no hello; `more` goes into its `initialize`. */
export async function webSocketClient(url: string, more: object = {}): Promise<TextClient> {
  const { socket, inbox } = await connected(url, ["mcp"]);
  socket.send(
    JSON.stringify({ jsonrpc: "2.0", id: "i", method: "initialize", params: { ...INITIALIZE, ...more } }),
  );
  await inbox.next();
  socket.send('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  return overSocket(socket, inbox);
}

/** A client over Streamable HTTP that listens to the stream of its session too. */
export async function httpClient(url: string): Promise<TextClient> {
  const http = new RawHttp(url.replace(/^ws/, "http"));
  const first = await http.post({ id: "i", method: "initialize", params: INITIALIZE });
  await first.body?.cancel();
  http.headers["mcp-session-id"] = first.headers.get("mcp-session-id")!;
  await (await http.post({ method: "notifications/initialized" })).body?.cancel();
  const inbox = new Inbox();
  const read = async (response: Response) => {
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      const text = await response.text();
      return text === "" ? undefined : inbox.put(text);
    }
    for await (const { data } of sseEvents(response)) if (data !== "") inbox.put(data);
  };
  const reading = new Set([read(await http.get()).catch(() => {})]);
  return {
    send: async (text) => void reading.add(read(await http.post(text)).catch(() => {})),
    next: (signal) => inbox.next(signal),
    async [Symbol.asyncDispose]() {
      await http.delete();
      await Promise.all(reading);
    },
  };
}

/** A client of EXAI ops, by its frames. */
export async function opClient(url: string): Promise<TextClient> {
  const { socket, inbox } = await connected(url);
  socket.send('{"op":"hello","client":"texts"}');
  await inbox.next();
  return overSocket(socket, inbox);
}

async function connected(url: string, protocols: string[] = []) {
  const socket = new WebSocket(url, protocols);
  const inbox = new Inbox();
  socket.onmessage = ({ data }) => inbox.put(data);
  await new Promise((resolve, reject) => (socket.onopen = resolve, socket.onerror = reject));
  return { socket, inbox };
}

function overSocket(socket: WebSocket, inbox: Inbox): TextClient {
  return {
    send: (text) => Promise.resolve(socket.send(text)),
    next: (signal) => inbox.next(signal),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => socket.onclose = resolve);
      socket.close();
      await closed;
    },
  };
}
