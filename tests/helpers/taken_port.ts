import { FileLock } from "../../lib/state/file_lock.ts";
import { delay } from "@std/async/delay";

/** The port of a daemon whose settings name none. */
export const DEFAULT_PORT = 8765;

/** What another program does with those who connect. */
export type StrangerKind = "answers 200" | "accepts and says nothing" | "speaks WebSocket";

/** Another program on the default port, alone there among the tests of this machine. */
export async function takeDefaultPort(kind: StrangerKind) {
  const lock = await ownTurn();
  const heard: string[] = [];
  const at = { hostname: "127.0.0.1", port: DEFAULT_PORT };
  const stop = kind === "accepts and says nothing" ? hold(at, heard) : serve(at, kind, heard);
  return {
    /** Everything that was sent to it. */
    heard,
    async [Symbol.asyncDispose]() {
      await stop();
      lock[Symbol.dispose]();
    },
  };
}

async function ownTurn(): Promise<Disposable> {
  for (;;) {
    const lock = await FileLock.tryTake("/tmp/exai-tests-default-port.lock");
    if (lock) return lock;
    await delay(100);
  }
}

function serve(at: { hostname: string; port: number }, kind: StrangerKind, heard: string[]) {
  const server = Deno.serve({ ...at, onListen() {} }, (request) => {
    heard.push(`${request.url} ${JSON.stringify([...request.headers])}`);
    if (kind === "answers 200" || request.headers.get("upgrade") !== "websocket") {
      return new Response("AnkiConnect");
    }
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onerror = (event) => event.preventDefault();
    socket.onmessage = ({ data }) => (heard.push(String(data)), socket.send("hello, whoever you are"));
    return response;
  });
  return () => server.shutdown();
}

/** Accepts connections and reads what is sent, until it is stopped. */
function hold(at: { hostname: string; port: number }, heard: string[]) {
  const listener = Deno.listen(at);
  const open: Deno.Conn[] = [];
  const over = (async () => {
    for await (const connection of listener) {
      open.push(connection);
      void connection.readable.pipeThrough(new TextDecoderStream()).pipeTo(
        new WritableStream({ write: (text) => void heard.push(text) }),
      ).catch(() => {});
    }
  })();
  return async () => {
    listener.close();
    for (const connection of open) {
      try {
        connection.close();
      } catch {
        // The other end has closed it.
      }
    }
    await over;
  };
}
