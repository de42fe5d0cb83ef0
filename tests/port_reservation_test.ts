import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { PlaceholderSocket } from "../lib/edge/placeholder_socket.ts";
import { PortReservation } from "../lib/edge/port_reservation.ts";
import { DenoListener } from "../lib/edge/deno_listener.ts";
import { freePort } from "../tools/lib/free_port.ts";

const IS_LINUX = Deno.build.os === "linux";
const STRANGER = 65534;
const PYTHON = "/usr/bin/python3";
const isRoot = Deno.build.os !== "windows" && Deno.uid() === 0;

const serve = (kept: PortReservation) =>
  kept.serve((at) => Deno.serve({ ...at, onListen: () => {} }, () => new Response("ours")));

function assertTaken(hostname: string, port: number): void {
  // Deno sets SO_REUSEADDR, as most servers do.
  assertThrows(() => Deno.listen({ hostname, port }), Deno.errors.AddrInUse);
}

async function hasPython(): Promise<boolean> {
  return await Deno.stat(PYTHON).then(() => true, () => false);
}

/** What a program of another user gets that binds the address with every option that lets programs share one. */
async function bindAsStranger(hostname: string, port: number): Promise<string> {
  const script = `
import socket
s = socket.socket(socket.AF_INET6 if ":" in "${hostname}" else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
try:
    s.bind(("${hostname}", ${port})); s.listen(); print("bound")
except OSError as error: print(error.strerror)`;
  const command = new Deno.Command(PYTHON, { args: ["-c", script], uid: STRANGER, cwd: "/" });
  return new TextDecoder().decode((await command.output()).stdout).trim();
}

for (const canReusePort of [true, false]) {
  const how = canReusePort ? "by a second socket" : "by listening itself, where there is no second socket";
  Deno.test(`an address stays taken between two servers, ${how}`, async () => {
    const port = freePort();
    for (const at of [{ hostname: "127.0.0.1", port: 0 }, { hostname: "127.0.0.1", port }]) {
      using kept = new PortReservation(at, { canReusePort });
      const first = serve(kept);
      assertTaken(at.hostname, first.addr.port);
      await first.shutdown();
      kept.hold();
      assert(kept.isHeld);
      assertTaken(at.hostname, first.addr.port);
      await using second = serve(kept);
      assertEquals(second.addr.port, first.addr.port);
      assertEquals(await (await fetch(`http://127.0.0.1:${second.addr.port}/`)).text(), "ours");
      assertTaken(at.hostname, second.addr.port);
    }
  });
}

Deno.test({
  name: "another user cannot bind a held address, whatever options its socket has, nor reach anybody there",
  ignore: !IS_LINUX || !isRoot || !await hasPython(),
  async fn() {
    for (const hostname of ["127.0.0.1", "::1", "0.0.0.0", "::"]) {
      const held = PlaceholderSocket.bind({ hostname, port: 0 })!;
      assertEquals(await bindAsStranger(hostname, held.port), "Address already in use", hostname);
      await Deno.connect({ hostname: hostname.includes(":") ? "::1" : "127.0.0.1", port: held.port }).then(
        () => assert(false, "it takes connections"),
        (thrown) => assert(thrown instanceof Deno.errors.ConnectionRefused),
      );
      held[Symbol.dispose]();
      assertEquals(await bindAsStranger(hostname, held.port), "bound", hostname);
    }
  },
});

Deno.test({
  name: "of two daemons of one user that hold the same address, one alone gets it",
  ignore: !IS_LINUX,
  fn() {
    const port = freePort();
    using held = PlaceholderSocket.bind({ hostname: "127.0.0.1", port });
    assertEquals(held?.port, port);
    assertEquals(PlaceholderSocket.bind({ hostname: "127.0.0.1", port }), undefined);
    const handler = () => Promise.resolve(new Response());
    const error = assertThrows(() => new DenoListener({ hostname: "127.0.0.1", port, handler }), Error);
    assertMatch(error.message, /already in use/);
  },
});

Deno.test({
  name: "a held address is left to no child and can be had again at once when it is given back",
  ignore: !IS_LINUX,
  async fn() {
    const held = PlaceholderSocket.bind({ hostname: "127.0.0.1", port: 0 })!;
    const { stdout } = await new Deno.Command("/bin/ls", { args: ["-l", "/proc/self/fd"] }).output();
    assertEquals(new TextDecoder().decode(stdout).includes("socket:"), false);
    held[Symbol.dispose]();
    using again = Deno.listen({ hostname: "127.0.0.1", port: held.port });
    assertEquals(again.addr.port, held.port);
  },
});

Deno.test({
  name: "a port whose last connections are not yet forgotten can be held again",
  ignore: !IS_LINUX,
  async fn() {
    const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = server.addr;
    const client = await Deno.connect({ hostname: "127.0.0.1", port });
    // Who closes first keeps the connection in TIME_WAIT.
    (await server.accept()).close();
    await client.read(new Uint8Array(1));
    client.close();
    server.close();
    using held = PlaceholderSocket.bind({ hostname: "127.0.0.1", port });
    assertEquals(held?.port, port);
  },
});
