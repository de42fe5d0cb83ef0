import { delay } from "@std/async/delay";

export type StrangerKind = "answers 200" | "says nothing";

const BIND_PAUSE_MS = 5;

/** Something that listens at the daemon's port and is no daemon. Resolves when it has the port. */
export async function strangerAt(port: number, kind: StrangerKind): Promise<AsyncDisposable> {
  for (;;) {
    try {
      return kind === "answers 200" ? answering(port) : silent(port);
    } catch (thrown) {
      // A window may have been faster and started a daemon, which is not what is tried here.
      if (!(thrown instanceof Deno.errors.AddrInUse)) throw thrown;
      return { [Symbol.asyncDispose]: () => Promise.resolve() };
    } finally {
      await delay(BIND_PAUSE_MS);
    }
  }
}

function answering(port: number): AsyncDisposable {
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, () => new Response("hello"));
  return { [Symbol.asyncDispose]: () => server.shutdown() };
}

function silent(port: number): AsyncDisposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  const guests: Deno.TcpConn[] = [];
  const done = (async () => {
    try {
      for await (const guest of listener) guests.push(guest);
    } catch {
      // Closed.
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      listener.close();
      await done;
      for (const guest of guests) guest.close();
    },
  };
}
