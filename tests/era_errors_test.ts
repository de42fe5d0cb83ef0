import { assertEquals, assertStrictEquals } from "@std/assert";
import { ERROR_CODES, ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { CODES, httpStatusOfRpc, toOpError, toRpcError } from "../lib/wire/codes.ts";
import { errorForEra, errorOfModernServer, LEGACY_MISSING, thrownForEra } from "../lib/wire/era_errors.ts";
import { legacyCodec } from "../lib/wire/legacy_codec.ts";
import { responseText } from "../lib/wire/message_text.ts";
import { modernCodec } from "../lib/wire/modern_codec.ts";
import type { RpcError } from "../lib/wire/rpc.ts";
import { rawAnswer } from "./helpers/era_messages.ts";

const URL_ELICITATION = { elicitations: [{ mode: "url", url: "https://a.example", elicitationId: "e" }] };
const requires = (requiredCapabilities: JsonObject) => ({ requiredCapabilities });

Deno.test("an error of a call has the code that its client's era has for it", () => {
  const message = "no";
  const tasks = { extensions: { "io.modelcontextprotocol/tasks": {} } };
  const table: [RpcError, JsonObject, RpcError][] = [
    [{ code: -32602, message, data: 1 }, {}, { code: -32602, message, data: 1 }],
    [{ code: -32002, message, data: { uri: "u" } }, {}, { code: -32602, message, data: { uri: "u" } }],
    [{ code: -32002, message }, {}, { code: -32602, message }],
    [{ code: -32042, message, data: URL_ELICITATION }, {}, {
      code: -32021,
      message,
      data: { ...URL_ELICITATION, ...requires({ elicitation: { url: {} } }), code: "MISSING_CAPABILITY" },
    }],
    [{ code: -32042, message, data: URL_ELICITATION }, { elicitation: { url: {} } }, {
      code: -32603,
      message,
      data: { ...URL_ELICITATION, serverCode: -32042 },
    }],
    [{ code: -32020, message }, {}, { code: -32603, message, data: { serverCode: -32020 } }],
    [{ code: -32022, message, data: { supported: ["2027-01-01"] } }, {}, {
      code: -32603,
      message,
      data: { supported: ["2027-01-01"], serverCode: -32022 },
    }],
    [{ code: -32021, message, data: requires({ sampling: {}, roots: {} }) }, { roots: {} }, {
      code: -32021,
      message,
      data: { ...requires({ sampling: {} }), code: "MISSING_CAPABILITY" },
    }],
    [{ code: -32021, message, data: requires(tasks) }, { extensions: {} }, {
      code: -32021,
      message,
      data: { ...requires(tasks), code: "MISSING_CAPABILITY" },
    }],
    [{ code: -32021, message, data: requires(tasks) }, tasks, {
      code: -32603,
      message,
      data: { ...requires(tasks), serverCode: -32021 },
    }],
    [{ code: -32021, message }, {}, { code: -32603, message, data: { serverCode: -32021 } }],
    [{ code: -32050, message, data: "x" }, {}, {
      code: -32603,
      message,
      data: { data: "x", serverCode: -32050 },
    }],
    [{ code: -32000, message }, {}, { code: -32000, message }],
    [{ code: -31012, message }, {}, { code: -31012, message }],
    [{ code: 7, message }, {}, { code: 7, message }],
  ];
  for (const [error, capabilities, expected] of table) {
    assertEquals(errorForEra(error, "modern", { capabilities }), expected);
    // What no rule is about, and all of 2025's own, a client of 2025 gets as it came.
    assertStrictEquals(errorForEra(error, "legacy"), error);
  }
});

Deno.test("a capability that is missing is said to a client of 2025 under a number of EXAI's own", () => {
  const thrown = new ExaiError("MISSING_CAPABILITY", "it needs sampling", {
    details: requires({ sampling: {} }),
  });
  const data = { ...requires({ sampling: {} }), code: "MISSING_CAPABILITY" };
  assertEquals(errorForEra(toRpcError(thrown), "legacy"), {
    code: LEGACY_MISSING,
    message: "it needs sampling",
    data,
  });
  assertEquals(LEGACY_MISSING, CODES.MISSING_CAPABILITY.rpc + 1000);
});

Deno.test("what a door refuses itself is said with the codes of the hop", () => {
  for (const code of ["HEADER_MISMATCH", "UNSUPPORTED_REVISION", "MISSING_CAPABILITY"] as const) {
    assertEquals(thrownForEra(new ExaiError(code, "no"), "modern").code, CODES[code].rpc);
  }
  assertEquals(thrownForEra(new ExaiError("RESOURCE_NOT_FOUND", "no"), "modern").code, -32602);
  assertEquals(thrownForEra(new ExaiError("RESOURCE_NOT_FOUND", "no"), "legacy").code, -32002);
});

Deno.test("no client of 2026 is told a code that the revision forbids", () => {
  const defined = new Set([-32020, -32021, -32022]);
  const allowed = (code: number) => code !== -32002 && (code > -32020 || code < -32099 || defined.has(code));
  for (let code = -32110; code <= -31990; code++) {
    const error = errorForEra({ code, message: "no", data: requires({ sampling: {} }) }, "modern");
    assertEquals(allowed(error.code) && error.code !== -32020 && error.code !== -32022, true, `${code}`);
  }
});

Deno.test("EXAI's own codes are outside of what JSON-RPC reserves, and ops call them what they did", () => {
  const standard = [-32700, -32600, -32601, -32602, -32603, -32002, -32020, -32021, -32022];
  for (const name of ERROR_CODES) {
    const { rpc, formerly } = CODES[name];
    if (standard.includes(rpc)) continue;
    // There were none of a login before.
    const before = name === "LOGIN_REQUIRED" ? undefined : rpc - 1000;
    assertEquals([rpc > -32000 || rpc < -32768, formerly], [true, before], name);
    for (const code of [rpc, formerly ?? rpc]) assertEquals(toOpError({ code, message: "" }).code, name);
  }
});

Deno.test("errors about a request have a status of their own over HTTP, others are answers", () => {
  const statuses = [-32700, -32600, -32602, -32020, -32021, -32022, -32601, -32603, -31010, 7].map(
    httpStatusOfRpc,
  );
  assertEquals(statuses, [400, 400, 400, 400, 400, 400, 404, 200, 200, 200]);
});

Deno.test("a resource that a server of 2026 does not have is one that a server of 2025 has not", () => {
  const error = { code: -32602, message: "no", data: { uri: "file:///a" } };
  const neutral = errorOfModernServer(error, "resources/read");
  assertEquals(neutral, { ...error, code: -32002 });
  assertEquals(errorForEra(neutral, "modern"), error);
  assertStrictEquals(errorOfModernServer(error, "tools/call"), error);
  const other = { code: -32602, message: "uri must be a text" };
  assertStrictEquals(errorOfModernServer(other, "resources/read"), other);
});

Deno.test("an error that is passed on keeps its text, and one under another code its numbers", () => {
  const kept = rawAnswer({ error: { code: -32000, message: "no", data: 1 } });
  const context = { method: "tools/call", serverInfo: { name: "exai", version: "1" }, capabilities: {} };
  assertStrictEquals(modernCodec.encodeAnswer(kept, context), kept);
  assertStrictEquals(legacyCodec.encodeAnswer(kept, context), kept);
  const big = { code: -32002, message: "no", data: { n: JSON.parse("1") } };
  const text = responseText("1", modernCodec.encodeAnswer(rawAnswer({ error: big }), context));
  assertEquals(JSON.parse(text).error, { ...big, code: -32602 });
});
