import { fromFileUrl } from "@std/path";
import { OpClient } from "../lib/op_client.ts";
import { addressOf, commandFor, startPrivateDaemon } from "../lib/programs.ts";
import { type Command, Spawned } from "../lib/spawned.ts";
import type { Fleet, Shape, Subject } from "./subject.ts";

const SHAPES: readonly Shape[] = [{ windows: 1, inflight: 1 }, { windows: 1, inflight: 8 }];

/** The least a WebSocket server of Deno costs, with the very client that measures the daemon. */
export function floorSubject(): Subject {
  const path = fromFileUrl(new URL("echo_server.ts", import.meta.url));
  return {
    name: "floor: bare Deno WebSocket echo",
    role: "floor",
    shapes: SHAPES,
    hasWindows: false,
    async open() {
      const child = new Spawned(commandFor(path));
      const url = await addressOf(child, "the echo server");
      return fleet(child.pid, child, () => OpClient.connect(url));
    },
  };
}

/** `version` by EXAI op, straight to the daemon. */
export function rawSubject(name: string, program: Command): Subject {
  return {
    name,
    role: "raw",
    shapes: SHAPES,
    hasWindows: false,
    async open() {
      const daemon = await startPrivateDaemon(program);
      return fleet(daemon.pid, daemon, async () => {
        const client = await OpClient.connect(daemon.url);
        await client.hello();
        return client;
      });
    },
  };
}

function fleet(pid: number, server: AsyncDisposable, connect: () => Promise<OpClient>): Fleet {
  return {
    roots: [pid],
    async openWindow() {
      const client = await connect();
      return {
        roots: [],
        exchange: () => async () => {
          const reply = await client.call("version");
          if (reply.error !== undefined) throw new Error(`answered with ${JSON.stringify(reply.error)}`);
        },
        [Symbol.asyncDispose]: () => Promise.resolve(client[Symbol.dispose]()),
      };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
