import { assert, assertEquals, assertMatch } from "@std/assert";
import { ClientRefusedError, initialize } from "../lib/upstream/instance/link/initialize.ts";
import { isAboutRevision } from "../lib/wire/mcp.ts";
import { HttpStatusError } from "../lib/remote/http_errors.ts";
import type { Result } from "../lib/wire/rpc.ts";

const refusal = (status: number, body = "", headers: Record<string, string> = {}) =>
  new HttpStatusError(new Response(null, { status, headers }), body);

const INFO = { capabilities: {}, serverInfo: { name: "s", version: "1" } };

/** Initializes a server that gives these answers, one after the other; `asked` has the revisions it was asked for. */
async function agreeing(...answers: (Result | Error)[]) {
  const asked: string[] = [];
  const ask = (revision: string) => {
    asked.push(revision);
    const answer = answers.shift()!;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  const outcome = await initialize(ask, "own").catch((thrown: Error) => thrown);
  return { asked, outcome, message: outcome instanceof Error ? outcome.message : undefined };
}

const speaks = (protocolVersion: unknown, more: object = INFO): Result =>
  ({ result: { protocolVersion, ...more } }) as Result;
const refuses = (message: string, data?: unknown): Result =>
  ({ error: { code: 1, message, data } }) as Result;

Deno.test("a server that speaks a revision we know is asked once", async () => {
  for (const revision of ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]) {
    const { asked, outcome } = await agreeing(speaks(revision));
    assertEquals([asked, outcome as unknown], [["2025-11-25"], { protocolVersion: revision, ...INFO }]);
  }
});

Deno.test("a server that answers with a revision we do not speak is asked once more for one both may know", async () => {
  assertEquals((await agreeing(speaks("2099-01-01"), speaks("2025-06-18"))).asked, [
    "2025-11-25",
    "2025-06-18",
  ]);
  const { asked, outcome } = await agreeing(speaks("2024-10-07"), speaks("2024-10-07"));
  assertEquals([asked, (outcome as { protocolVersion: string }).protocolVersion], [
    ["2025-11-25", "2024-11-05"],
    "2024-10-07",
  ]);
  assertMatch(
    (await agreeing(speaks("2099-01-01"), speaks("2099-01-01"))).message!,
    /it speaks MCP 2099-01-01, .*2025/,
  );
});

Deno.test("a server that refuses our revision is asked for the newest it names, or the oldest there is", async () => {
  for (
    const first of [
      refuses("bad", { supported: ["2024-11-05", "2025-03-26"] }),
      refuses("bad", { supportedVersions: ["2024-11-05", "2025-03-26"] }),
      refuses("we speak 2024-11-05 and 2025-03-26, not 2025-11-25"),
    ]
  ) assertEquals((await agreeing(first, speaks("2025-03-26"))).asked, ["2025-11-25", "2025-03-26"]);
  assertEquals((await agreeing(refuses("Unsupported protocol version"), speaks("2024-11-05"))).asked, [
    "2025-11-25",
    "2024-11-05",
  ]);
  const other = await agreeing(refuses("no license"));
  assertEquals([other.asked.length, other.message], [1, "it refused to initialize: no license"]);
  const both = await agreeing(refuses("unsupported version", { supported: ["1999-01-01"] }));
  assertMatch(both.message!, /unsupported version; EXAI speaks MCP 2025-11-25, .* \(it speaks 1999-01-01\)$/);
  const twice = await agreeing(refuses("unsupported version"), refuses("protocol_version is bad"));
  assertMatch(twice.message!, /refused to initialize: protocol_version is bad; EXAI speaks MCP [\d, -]*$/);
});

Deno.test("a server that refuses by HTTP is understood the same way, and other failures are passed on", async () => {
  const http = new Error("it failed", {
    cause: refusal(400, "Unsupported protocol version: use 2025-03-26"),
  });
  assertEquals((await agreeing(http, speaks("2025-03-26"))).asked, ["2025-11-25", "2025-03-26"]);
  const twice = await agreeing(http, http);
  assert((twice.outcome as Error).cause === http);
  const then = await agreeing(http, refuses("no license"));
  assertEquals([(then.outcome as Error).cause === http, then.message], [
    true,
    "it refused to initialize: no license",
  ]);
  const unavailable = new Error("it failed", { cause: refusal(400, "no key") });
  assert((await agreeing(unavailable)).outcome === unavailable);
  const plain = new Error("unsupported protocol version");
  assert((await agreeing(plain)).outcome === plain);
});

Deno.test("what a server leaves out of its description is put in, and what is wrong with it is said", async () => {
  assertEquals((await agreeing(speaks("2025-11-25", {}))).outcome as unknown, {
    protocolVersion: "2025-11-25",
    capabilities: {},
    serverInfo: { name: "own", version: "" },
  });
  const odd = { capabilities: null, serverInfo: { name: 7, version: 8, title: "T" }, instructions: "i" };
  assertEquals((await agreeing(speaks("2025-11-25", odd))).outcome as unknown, {
    protocolVersion: "2025-11-25",
    capabilities: {},
    serverInfo: { name: "own", version: "", title: "T" },
    instructions: "i",
  });
  const message = async (answer: Result) => (await agreeing(answer)).message;
  assertMatch((await message(speaks(7)))!, /initialize is malformed: protocolVersion must be .*, and is 7$/);
  assertMatch(
    (await message({ result: {} }))!,
    /protocolVersion must be a text such as "2025-11-25", and is missing$/,
  );
  assertMatch(
    (await message(speaks("2025-11-25", { capabilities: [] })))!,
    /capabilities must be an object, and is \[\]$/,
  );
});

Deno.test("a refusal that speaks of the protocol's version is about that", () => {
  for (
    const text of [
      "protocol version",
      "ProtocolVersion",
      "protocol_version",
      "protocol-version",
      "Unsupported MCP version",
      "unknown version",
      "invalid header version",
      "incompatible version",
      "this version is not supported",
    ]
  ) assertEquals(isAboutRevision(text), true, text);
  for (
    const text of ["version", "unsupported", `invalid${" ".repeat(60)}version`, "bad key", "unknownversion"]
  ) {
    assertEquals(isAboutRevision(text), false, text);
  }
});

Deno.test("a refusal of what the client can do is told from that of a revision, and from others", async () => {
  const refuse = async (code: number, message: string) => {
    const answer = { error: { code, message } } as Result;
    return (await agreeing(answer, answer)).outcome instanceof ClientRefusedError;
  };
  assertEquals(await refuse(-32602, "Invalid request parameters"), true);
  assertEquals(await refuse(-32603, '[{"path": ["params", "capabilities", "extensions"]}]'), true);
  assertEquals(await refuse(-32602, "Unsupported protocol version"), false);
  assertEquals(await refuse(-32603, "API_KEY is not set"), false);
});
