import {
  Client,
  type JSONRPCMessage,
  type JSONRPCResponse,
  StreamableHTTPClientTransport,
  type Transport,
} from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import {
  createTaskSessionFromClient,
  type RawClientDispatch,
  resultFromTaskOutcome,
} from "@modelcontextprotocol/ext-tasks/client";
import { assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { MODERN_REVISIONS } from "../../lib/wire/client_claim.ts";
import { removeHome } from "../helpers/files.ts";
import { FOLLOWS_TASKS } from "../helpers/modern_http_client.ts";
import { signalProgram, startDaemon } from "../helpers/program.ts";

const shim = fromFileUrl(new URL("../../shim.ts", import.meta.url));
const server = fromFileUrl(new URL("../fixtures/modern_task_server.ts", import.meta.url));
const jobs = { command: Deno.execPath(), args: ["run", "-A", "--no-check", server], share: "machine" };

const CAPABILITIES = { ...FOLLOWS_TASKS, elicitation: {} } as Record<string, JsonObject>;
const ENDPOINT = "exai";
const ANSWER = { action: "accept", content: { name: "Ada" } } as const;

type Door = "shim" | "http";

/** Sends requests as they are, and gives their answers: the client of the SDK refuses tasks. */
function rawDispatch(transport: Transport): RawClientDispatch {
  const waiting = new Map<unknown, (answer: JSONRPCResponse) => void>();
  const others = transport.onmessage;
  transport.onmessage = (message, extra) => {
    const settle = "id" in message && !("method" in message) ? waiting.get(message.id) : undefined;
    if (settle) settle(message as JSONRPCResponse);
    else others?.(message, extra);
  };
  return async (request) => {
    const id = `raw-${waiting.size}`;
    const { promise, resolve } = Promise.withResolvers<JSONRPCResponse>();
    waiting.set(id, resolve);
    await transport.send({ ...request as Record<string, unknown>, jsonrpc: "2.0", id } as JSONRPCMessage);
    const answer = await promise;
    return "error" in answer
      ? { kind: "error", error: answer.error as never }
      : { kind: "result", result: answer.result as never };
  };
}

/** The client of ext-tasks on that of SDK 2.4, which works in `cwd`. */
async function taskClient(door: Door, { url, home, cwd }: { url: string; home: string; cwd: string }) {
  const clientInfo = { name: "tasks", version: "1" };
  const [protocolVersion] = MODERN_REVISIONS;
  const client = new Client(clientInfo, {
    capabilities: CAPABILITIES,
    versionNegotiation: { mode: { pin: protocolVersion } },
  });
  const transport = door === "http"
    ? new StreamableHTTPClientTransport(new URL("/mcp", url.replace(/^ws/, "http")), {
      requestInit: { headers: { "x-exai-cwd": cwd } },
    })
    : new StdioClientTransport({
      command: Deno.execPath(),
      args: ["run", "-A", "--no-check", shim],
      env: {
        ...Deno.env.toObject(),
        EXAI_HOME: home,
        XDG_RUNTIME_DIR: home,
        EXAI_WS_PORT: "0",
        EXAI_WS_AUTOSTART: "false",
        ENV_FILE: "",
      },
      cwd,
      stderr: "ignore",
    });
  await client.connect(transport);
  const session = createTaskSessionFromClient(client, {
    endpointId: ENDPOINT,
    onInputRequest: () => Promise.resolve(ANSWER as never),
    rawDispatch: rawDispatch(transport),
    v2RequestFraming: { protocolVersion, clientInfo, clientCapabilities: CAPABILITIES as never },
  });
  return {
    session,
    let: (taskId: string, become: string) => client.callTool({ name: "let", arguments: { taskId, become } }),
    /** What became of a task that another client has begun. */
    resume: async (taskId: string) => {
      const reference = { endpointId: ENDPOINT, generation: "v2", taskId, originalOperation: "tools/call" };
      const execution = await session.resumeTask(reference as never);
      return (await execution.settle()).outcome;
    },
    async [Symbol.asyncDispose]() {
      await session.close();
      await client.close();
    },
  };
}

function textOf(result: unknown): string {
  return (result as { content: [{ text: string }] }).content[0].text;
}

for (const door of ["shim", "http"] as const) {
  Deno.test(`tasks outlive a daemon that is killed, through ${door}, and are no stranger's`, async () => {
    const home = await Deno.makeTempDir({ prefix: "exai-tasks-" });
    await Deno.chmod(home, 0o700);
    await using _home = { [Symbol.asyncDispose]: () => removeHome(home) };
    const [here, elsewhere] = [`${home}/here`, `${home}/elsewhere`];
    for (const dir of [here, elsewhere]) await Deno.mkdir(dir);
    await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: { jobs } }));
    const ids: string[] = [];
    {
      await using daemon = await startDaemon({ home });
      await using client = await taskClient(door, { url: daemon.url, home, cwd: here });
      const [asks, runs] = [await client.session.callTool("long"), await client.session.callTool("long")];
      for (const { handle } of [asks, runs]) ids.push(handle!.taskId);
      await client.let("1", "ask");
      const result = resultFromTaskOutcome((await asks.settle()).outcome);
      assertEquals(JSON.parse(textOf(result)), { which: ANSWER });
      signalProgram(daemon.process, "SIGKILL");
      await daemon.process.status;
    }
    await using daemon = await startDaemon({ home });
    await using again = await taskClient(door, { url: daemon.url, home, cwd: here });
    await using stranger = await taskClient(door, { url: daemon.url, home, cwd: elsewhere });
    const [done, lost] = [await again.resume(ids[0]!), await again.resume(ids[1]!)];
    assertEquals(done.status, "completed");
    assertEquals(JSON.parse(textOf(resultFromTaskOutcome(done))), { which: ANSWER });
    assertEquals(lost.status, "failed");
    await assertRejects(() => stranger.resume(ids[0]!), Error, "there is no task");
  });
}
