import { assert, assertEquals, assertMatch } from "@std/assert";
import { join, toFileUrl } from "@std/path";
// @ts-types="@modelcontextprotocol/sdk/client/index"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/client/websocket"
import { WebSocketClientTransport } from "@modelcontextprotocol/sdk/client/websocket.js";
// @ts-types="@modelcontextprotocol/sdk/shared/transport"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import { CreateMessageRequestSchema, ListRootsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import type { RequestContext } from "../lib/edge/request_context.ts";
import { type PeerPolicy, PrincipalResolver } from "../lib/edge/principal.ts";
import { SessionRegistry } from "../lib/session/registry.ts";
import type { SocketOwner } from "../lib/transport/peer_user.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { tempDir } from "./helpers/files.ts";
import { textOf } from "./helpers/sdk_client.ts";

const SECRET = "the-owner-wrote-this";

/** Has `chat` read a file for a client that lends its own model and names `dir` as its root; what the model was shown. */
async function readBy(transport: Transport, dir: string, path: string) {
  const client = new Client({ name: "reader", version: "1" }, { capabilities: { sampling: {}, roots: {} } });
  let shown = "";
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: toFileUrl(dir).href }] }));
  client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => {
    shown += JSON.stringify(params);
    return { model: "lent", role: "assistant", content: { type: "text", text: "read it" } };
  });
  await client.connect(transport);
  const answer = await client.callTool({
    name: "chat",
    arguments: { prompt: "what does it say?", files: [path] },
  });
  await client.close();
  return { said: textOf(answer), shown };
}

/** A file of the owner's in a directory that is not the daemon's. */
function ownersFile() {
  return tempDir({ "secret.txt": SECRET });
}

Deno.test("a directory named over HTTP, by header or as a root, gives no right to read there", async () => {
  await using dir = await ownersFile();
  await using it = await testDaemon();
  for (const path of ["secret.txt", join(dir.path, "secret.txt"), dir.path]) {
    const headers = { "x-exai-cwd": encodeURIComponent(dir.path) };
    const http = new StreamableHTTPClientTransport(new URL("/mcp", it.http), { requestInit: { headers } });
    const { said, shown } = await readBy(http, dir.path, path);
    assertMatch(said, /over HTTP.*EXAI_ALLOWED_DIRS/s, path);
    assert(!shown.includes(SECRET) && !said.includes(SECRET), path);
  }
});

Deno.test("over HTTP it cannot be asked which files there are in a directory it names", async () => {
  await using dir = await ownersFile();
  await using it = await testDaemon();
  const answers = await Promise.all(["secret.txt", "nothing.txt"].map(async (name) => {
    const headers = { "x-exai-cwd": encodeURIComponent(dir.path) };
    const http = new StreamableHTTPClientTransport(new URL("/mcp", it.http), { requestInit: { headers } });
    return JSON.parse((await readBy(http, dir.path, name)).said).content.replaceAll(name, "NAME");
  }));
  assertEquals(answers[0], answers[1]);
});

Deno.test("over HTTP the directories of EXAI_ALLOWED_DIRS are read", async () => {
  await using dir = await ownersFile();
  await using it = await testDaemon({ settings: { allowedDirs: [dir.path] } });
  const http = new StreamableHTTPClientTransport(new URL("/mcp", it.http));
  assert((await readBy(http, dir.path, join(dir.path, "secret.txt"))).shown.includes(SECRET));
});

Deno.test("a window of the owner's on a WebSocket reads in its roots, as ever", async () => {
  await using dir = await ownersFile();
  await using it = await testDaemon();
  const socket = new WebSocketClientTransport(new URL("/mcp", it.url));
  assert(
    (await readBy(socket, dir.path, "secret.txt")).shown.includes(SECRET) === false,
    "it has no directory",
  );
  const again = new WebSocketClientTransport(new URL("/mcp", it.url));
  assert((await readBy(again, dir.path, join(dir.path, "secret.txt"))).shown.includes(SECRET));
});

Deno.test("of another user's session no directory is known, and its client is not asked for any", async () => {
  using registry = new SessionRegistry({ resumeWindowMs: 0, idleMs: 0, maxFrameBytes: 1024 });
  const session = registry.create({
    cwd: "/home/owner",
    isResumable: false,
    namedDirs: "none",
    principal: "user 1000",
  });
  session.capabilities = { roots: { listChanged: true }, sampling: {} };
  assertEquals(session.capabilities, { sampling: {} });
  assertEquals([session.cwd, await session.roots()], [undefined, undefined]);
});

const at = (port: number) => ({ transport: "tcp", hostname: "127.0.0.1", port }) as const;
const socketAddr = { transport: "unix", path: "/it" } as const;

function principalOf(
  owner: SocketOwner,
  { policy = "own", asksToken = false, context = {} }: {
    policy?: PeerPolicy;
    asksToken?: boolean;
    context?: Partial<RequestContext>;
  } = {},
) {
  const principals = new PrincipalResolver({
    users: { ofPeer: () => owner },
    policy,
    requiresToken: () => asksToken,
  });
  const completed = Promise.resolve();
  try {
    return principals.resolve({ completed, localAddr: at(1), remoteAddr: at(2), endpoint: "", ...context });
  } catch (thrown) {
    return (thrown as { code?: string }).code;
  }
}

Deno.test("who somebody is decides what is his, and nobody who cannot be told is the owner", () => {
  const own = principalOf({ kind: "own", user: "1" });
  assertEquals(own, { id: "owner", isOwner: true });
  assertEquals(
    principalOf({ kind: "unknown" }, { context: { localAddr: socketAddr, remoteAddr: socketAddr } }),
    own,
  );
  for (const kind of ["other", "unknown"] as const) {
    assertEquals(principalOf({ kind }), "FORBIDDEN");
    assertEquals(principalOf({ kind }, { context: { clientCertificate: "AA" } }), "FORBIDDEN");
  }
  const any = { policy: "any" } as const;
  assertEquals(principalOf({ kind: "other", user: "2" }, any), { id: "user 2", isOwner: false });
  assertEquals(principalOf({ kind: "unknown" }, any), { id: "user unknown", isOwner: false });
  const token = { asksToken: true };
  assertEquals(principalOf({ kind: "other" }, token), own);
  const shown = principalOf({ kind: "other" }, { ...token, context: { clientCertificate: "AA" } });
  assertEquals(shown, { id: "certificate AA", isOwner: true });
});
