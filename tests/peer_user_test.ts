import { assert, assertEquals } from "@std/assert";
import { isOwnListener, isOwnPeer, PeerUsers } from "../lib/transport/peer_user.ts";
import { addressBytes } from "../lib/base/ip_address.ts";
import { findSocket } from "../lib/transport/peer_user/linux_proc.ts";
import { decodeSocketInfo, isWanted, socketDescriptors } from "../lib/transport/peer_user/macos.ts";
import { decodeTcpTable, findRow } from "../lib/transport/peer_user/windows.ts";
import { canBeOther, holdAs, listenAs } from "./helpers/other_user.ts";

const OTHER = 65534;
const onLinux = Deno.build.os === "linux";

const at = (hostname: string, port: number) => ({ address: addressBytes(hostname)!, port });

/** Our end of the next connection, with both its ends. */
async function accepted(listener: Deno.TcpListener) {
  const conn = await listener.accept();
  return { conn, ends: { local: conn.localAddr as Deno.NetAddr, remote: conn.remoteAddr as Deno.NetAddr } };
}

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`a connection of our own user over ${hostname} is known as such`, async () => {
    using listener = Deno.listen({ hostname, port: 0 });
    using client = await Deno.connect({ hostname, port: listener.addr.port });
    const { conn, ends } = await accepted(listener);
    using _conn = conn;
    assert(await isOwnPeer(ends));
    assert(client.localAddr.transport === "tcp");
  });

  Deno.test({
    name: `a connection of another user over ${hostname} is known as such`,
    ignore: !canBeOther,
    async fn() {
      using listener = Deno.listen({ hostname, port: 0 });
      await using holder = await holdAs(OTHER, { hostname, port: listener.addr.port });
      const { conn, ends } = await accepted(listener);
      using _conn = conn;
      using users = await PeerUsers.open();
      assertEquals(ends.remote.port, holder.port);
      assertEquals(users.ofPeer(ends), { kind: "other", user: String(OTHER) });
    },
  });
}

Deno.test({
  name: "a connection from an IPv6 socket to an IPv4 address is found",
  ignore: !canBeOther,
  async fn() {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const to = { hostname: "::ffff:127.0.0.1", port: listener.addr.port };
    await using _other = await holdAs(OTHER, to);
    const first = await accepted(listener);
    using _first = first.conn;
    await using _own = await holdAs(0, to);
    const second = await accepted(listener);
    using _second = second.conn;
    using users = await PeerUsers.open();
    assertEquals([users.ofPeer(first.ends).kind, users.ofPeer(second.ends).kind], ["other", "own"]);
  },
});

Deno.test({
  name: "a peer that has closed its end is nobody we know, though the system shows it under user 0",
  ignore: !onLinux,
  async fn() {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    const { conn, ends } = await accepted(listener);
    using _conn = conn;
    client.close();
    while (await conn.read(new Uint8Array(64)) !== null);
    assertEquals(await isOwnPeer(ends), false);
  },
});

Deno.test({
  name: "a port whose connection is gone does not pass for that of who listens there now",
  ignore: !onLinux,
  async fn() {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using own = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const ends = { local: listener.addr, remote: own.addr };
    assertEquals(await isOwnPeer(ends), false);
  },
});

Deno.test("who listens at a port is told by number and by localhost", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  assert(await isOwnListener({ hostname: "127.0.0.1", port }));
  assert(await isOwnListener({ hostname: "localhost", port }));
  listener.close();
  assertEquals(await isOwnListener({ hostname: "127.0.0.1", port }), false);
});

for (const hostname of ["127.0.0.1", "0.0.0.0"]) {
  Deno.test({
    name: `another user's program that listens at ${hostname} is not ours`,
    ignore: !canBeOther,
    async fn() {
      await using other = await listenAs(OTHER, hostname);
      using users = await PeerUsers.open();
      const found = users.ofListener({ hostname: "127.0.0.1", port: other.port });
      assertEquals(found, { kind: "other", user: String(OTHER) });
      assertEquals(users.ofListener({ hostname: "localhost", port: other.port }).kind, "other");
    },
  });
}

const HEAD =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

function tcpRow(local: string, remote: string, rest: { state?: string; uid?: number; inode?: number } = {}) {
  const { state = "01", uid = 1000, inode = 77 } = rest;
  return `   1: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 ${inode} 1 0 100\n`;
}

Deno.test("the tables of /proc are read to their end, IPv4 in IPv6 among them", () => {
  const others = Array.from(
    { length: 50_000 },
    (_, n) => tcpRow("0100007F:2000", `0100007F:${(n % 60_000).toString(16).toUpperCase().padStart(4, "0")}`),
  );
  const wanted = { local: at("127.0.0.1", 0xc001), remote: at("127.0.0.1", 0x223d) };
  const row = tcpRow("0000000000000000FFFF00000100007F:C001", "0000000000000000FFFF00000100007F:223D", {
    uid: 42,
  });
  const found = findSocket(wanted, () => [HEAD + others.join(""), HEAD + row]);
  assertEquals([found?.uid, found?.inode], [42, 77]);
  assertEquals(findSocket(wanted, () => [HEAD, HEAD]), undefined);
});

Deno.test("in the tables of /proc the peer's row counts, not our own and not one cut off", () => {
  const wanted = { local: at("127.0.0.1", 0xc001), remote: at("127.0.0.1", 0x223d) };
  const own = tcpRow("0100007F:223D", "0100007F:C001", { uid: 1 });
  const peer = tcpRow("0100007F:C001", "0100007F:223D", { uid: 2 });
  assertEquals(findSocket(wanted, () => [HEAD + own + peer])?.uid, 2);
  assertEquals(findSocket(wanted, () => [HEAD + own + peer.slice(0, 60)]), undefined);
});

Deno.test("in the tables of /proc who listens at the address comes before who listens at all", () => {
  const wanted = { local: at("127.0.0.1", 0x223d) };
  const all = tcpRow("00000000:223D", "00000000:0000", { state: "0A", uid: 1 });
  const one = tcpRow("0100007F:223D", "00000000:0000", { state: "0A", uid: 2 });
  assertEquals(findSocket(wanted, () => [HEAD + all + one])?.uid, 2);
  assertEquals(findSocket(wanted, () => [HEAD + all])?.uid, 1);
});

Deno.test("the table of Windows is read as it is laid out", () => {
  const table = new DataView(new ArrayBuffer(4 + 24));
  table.setUint32(0, 1, true);
  table.setUint32(4, 5, true);
  [127, 0, 0, 1].forEach((byte, n) => table.setUint8(8 + n, byte));
  table.setUint16(12, 49152);
  [127, 0, 0, 1].forEach((byte, n) => table.setUint8(16 + n, byte));
  table.setUint16(20, 8765);
  table.setUint32(24, 4711, true);
  const wanted = { local: at("127.0.0.1", 49152), remote: at("127.0.0.1", 8765) };
  assertEquals(findRow(decodeTcpTable(table, false), wanted)?.pid, 4711);

  const table6 = new DataView(new ArrayBuffer(4 + 56));
  table6.setUint32(0, 1, true);
  table6.setUint8(4 + 15, 1);
  table6.setUint16(4 + 20, 8765);
  table6.setUint32(4 + 52, 815, true);
  assertEquals(findRow(decodeTcpTable(table6, true), { local: at("::1", 8765) })?.pid, 815);
  assertEquals(findRow(decodeTcpTable(table6, true), { local: at("127.0.0.1", 8765) }), undefined);
  table6.setUint32(0, 4_000_000_000, true);
  assertEquals(decodeTcpTable(table6, true).length, 1);
});

Deno.test("a socket of macOS is read as it is laid out", () => {
  const descriptors = new DataView(new ArrayBuffer(16));
  descriptors.setInt32(0, 3, true);
  descriptors.setUint32(4, 1, true);
  descriptors.setInt32(8, 9, true);
  descriptors.setUint32(12, 2, true);
  assertEquals(socketDescriptors(descriptors), [9]);

  const info = new DataView(new ArrayBuffer(792));
  assertEquals(decodeSocketInfo(info), undefined);
  info.setInt32(256, 2, true);
  info.setUint16(264, 8765);
  info.setUint16(268, 49152);
  info.setUint8(288, 1);
  [127, 0, 0, 1].forEach((byte, n) => {
    info.setUint8(308 + n, byte);
    info.setUint8(324 + n, byte);
  });
  const socket = decodeSocketInfo(info)!;
  const wanted = { local: at("127.0.0.1", 49152), remote: at("127.0.0.1", 8765) };
  assert(isWanted(socket, wanted));
  assertEquals(isWanted(socket, { local: wanted.local }), false);
});

Deno.test("every way to write an address is read, and nothing else", () => {
  assertEquals(addressBytes("::ffff:127.0.0.1"), addressBytes("127.0.0.1"));
  assertEquals(addressBytes("[::1]"), addressBytes("0:0:0:0:0:0:0:1"));
  assertEquals(addressBytes("fe80::1%eth0"), addressBytes("fe80::1"));
  for (const bad of ["localhost", "127.0.0.256", "1.2.3", "::g", "", "::1/x"]) {
    assertEquals(addressBytes(bad), undefined, bad);
  }
});
