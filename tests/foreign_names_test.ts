import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import { loadSettings } from "../lib/config/load.ts";
import { adviceOnKey } from "../lib/config/servers/hints.ts";
import { readServers } from "../lib/config/servers.ts";
import { classForTool } from "../lib/provider/routing/model_classes.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { RawHttp, sseMessages } from "./helpers/http_client.ts";
import { runDaemon } from "./helpers/program.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { Shim } from "./helpers/shim.ts";
import { tableReads } from "./helpers/table_reads.ts";

/** What every object inherits, so that a table finds it although nobody has put it there. */
const INHERITED = Object.getOwnPropertyNames(Object.prototype);

function codeOf({ error }: JsonObject): unknown {
  return (error as JsonObject | undefined)?.code;
}

/** Requests whose names are inherited ones, with the code each is refused with. */
function requests(name: string): [JsonObject, number][] {
  return [
    [{ method: name }, -32601],
    [{ method: "tools/call", params: { name, arguments: {} } }, -32602],
    [{ method: "prompts/get", params: { name } }, -32602],
    [{ method: "resources/read", params: { uri: name } }, -32002],
    [{ method: "completion/complete", params: { ref: { type: "ref/prompt", name }, argument: {} } }, -32602],
    [{ method: "completion/complete", params: { ref: { type: name }, argument: {} } }, -32602],
    [{ method: "logging/setLevel", params: { level: name } }, -32602],
    [{ method: "tasks/get", params: { taskId: name } }, -32602],
  ];
}

Deno.test("a name that every object inherits is not found over a WebSocket, and answered once", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url);
  for (const name of INHERITED) {
    for (const [request, code] of requests(name)) {
      const answer = await client.ask({ jsonrpc: "2.0", id: name, ...request });
      assertEquals([answer.id, codeOf(answer)], [name, code], JSON.stringify(request));
    }
    client.send({ jsonrpc: "2.0", method: name, params: {} });
    const op = await client.ask({ op: name });
    assertEquals([op.op, op.code], ["error", "UNKNOWN_OP"]);
    const call = await client.ask({ op: "call_tool", request_id: name, name });
    assertEquals([call.request_id, codeOf(call)], [name, "TOOL_NOT_FOUND"]);
  }
  await client.close();
});

Deno.test("a name that every object inherits is not found over HTTP, and answered once", async () => {
  await using it = await testDaemon();
  const client = await RawHttp.open(new URL("/mcp", it.http).href);
  for (const name of INHERITED) {
    for (const [request, code] of requests(name)) {
      const answers = await sseMessages(await client.post({ id: name, ...request }));
      assertEquals(answers.map((answer) => [answer.id, codeOf(answer)]), [[name, code]]);
    }
    for (const path of [`/${name}`, `/mcp/${name}`]) {
      const response = await fetch(new URL(path, it.http), { method: "POST", body: "{}" });
      await response.body?.cancel();
      assertEquals(response.status, 404, path);
    }
    for (const path of ["/calls", "/status"]) {
      const response = await fetch(new URL(`${path}?${name}=${name}`, it.http));
      await response.body?.cancel();
      assertEquals(response.status < 500, true, `${path}?${name} ${response.status}`);
    }
  }
  await client.delete();
});

Deno.test("a name that every object inherits is not found through the shim, and answered once", async () => {
  await using it = await testDaemon();
  await using shim = await Shim.start({ port: Number(new URL(it.url).port) });
  await shim.initialize();
  for (const name of INHERITED) {
    for (const [{ method, params }, code] of requests(name)) {
      const answer = await shim.ask(String(method), params as JsonObject);
      assertEquals(codeOf(answer), code, `${method} ${name}`);
    }
  }
});

Deno.test("a name that every object inherits is no flag and no command", async () => {
  for (const name of INHERITED) {
    const flag = () => loadSettings({ args: [`--${name}=1`], env: { ENV_FILE: "" } });
    assertThrows(flag, Error, "is no flag");
  }
  for (const words of [["constructor"], ["threads", "toString"], ["token", "__proto__"]]) {
    const { code, stderr } = await runDaemon({ args: words });
    assertEquals(code === 0, false);
    assertMatch(stderr, /is not a command|is nothing to do with/);
  }
});

Deno.test("a name that every object inherits is an ordinary name in mcp.json", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/mcp.json`;
  await Deno.writeTextFile(
    path,
    `{"mcpServers": {
      "__proto__": {"command": "a"}, "constructor": {"command": "b"}, "toString": {"url": "http://localhost/"},
      "x": {"__proto__": {"command": "c"}}, "y": {"command": "\${env:constructor}"}, "z": {"command": "\${toString}"}
    }}`,
  );
  const { servers, faults } = await readServers(path, { env: {}, loginEnv: () => Promise.resolve({}) });
  assertEquals([...servers.keys()], ["__proto__", "constructor", "toString"]);
  assertEquals(faults.map(({ server }) => server), ["x", "y", "z"]);
  for (const { message } of faults.slice(1)) {
    assertMatch(message, /environment variable \w+, which is not set/);
  }
  await Deno.remove(dir, { recursive: true });
  for (const name of INHERITED) {
    assertEquals(typeof (adviceOnKey(name, ["command"]) ?? ""), "string");
    assertEquals(classForTool(name), "balanced");
  }
});

/**
 * The look-ups by a computed name that were looked at: the name is one of our own by then. One by a name that somebody
 * else chose goes through `ownEntry`, a `Map` or `Object.hasOwn`.
 */
const REVIEWED = new Set([
  "page/browser/app.ts NAMES[one]",
  "page/browser/app.ts NAMES[tab]",
  "page/browser/navigation.ts TABS[Number(event.key) - 1]",
  "page/browser/app.ts VIEWS[tab]",
  "page/browser/dialogs.ts SIGNS[tone]",
  "page/browser/matrix_cells.ts SIGNS[line.tone]",
  "page/browser/matrix_cells.ts SIGNS[tone]",
  "page/browser/matrix_details.ts SIGNS[tone]",
  "base/exhaustion.ts CODES[os]",
  "upstream/sharing/usage_observer.ts WATCHED_AT[this.#watches]",
  "upstream/sharing/usage_observer.ts LOOKED_AT[this.#looks]",
  "remote/post_client.ts MAX_IDLE_MS[protocol]",
  "call/definitions.ts KEYS[kind]",
  "call/definitions.ts SCHEMAS[kind]",
  "wire/client_capabilities.ts SHAPES[era]",
  "commands/calls.ts UNITS_MS[ago[2]!]",
  "user_tools/user_tools.ts this.#tools[i]",
  "config/daemon_environment.ts SETTINGS[name]",
  "app/live_settings.ts this.#current[name]",
  "config/help.ts SETTINGS[name]",
  "config/settings_file.ts SETTINGS[name]",
  "config/settings_file.ts this.#file[list]",
  "config/settings_schema.ts SETTINGS[name]",
  "config/unused_settings.ts SETTINGS[name]",
  "config/window_settings.ts SETTINGS[name]",
  "config/inherited_variables.ts INHERITED[platform]",
  "config/load.ts SETTINGS[name]",
  "config/servers/servers_reader.ts this.#file[list]",
  "config/servers/client_entries.ts CLIENT_KEYS[key as keyof typeof CLIENT_KEYS]",
  "config/json_document.ts REASONS[code]",
  'config/servers/url_entry.ts URL_TYPES[entry.type ?? "http"]',
  "config/servers/own_programs.ts BESIDE[program]",
  "edge/http_handler.ts CODES[error.code]",
  "edge/error_response.ts CODES[error.code]",
  "edge/node_listener.ts STATUS_CODES[response.status]",
  "observe/metrics.ts BUCKETS_S[bucket]",
  "observe/ring_buffer.ts this.#items[this.#next]",
  "provider/api/provider_errors.ts CODES[kind]",
  "provider/catalogue/thinking.ts BUDGET_SHARES[effort]",
  "provider/provider_set.ts DEFAULTS[kind]",
  "provider/routing/model_classes.ts PREFERENCE[preferred]",
  "router/catalog.ts KEY[kind]",
  "router/entries.ts KEY[kind]",
  "router/client_lists.ts LISTS[kind]",
  'session/active_calls.ts this.#running[request.space ?? "mcp"]',
  "session/active_calls.ts this.#running[space]",
  "agent/output/read_output.ts OUTPUTS[format]",
  "tool/window_tools.ts MISSING[tool.needs]",
  "tool/builtin/tracer.ts SECTIONS[modeOf(args)]",
  "tool/builtin/tracer.ts SECTIONS[mode]",
  "provider/api/finish_reasons.ts MEANINGS[meaning]",
  "provider/catalogue/thinking.ts BUDGET_SHARES[effort]",
  "provider/openai/tool_call_parts.ts this.#calls[where.position]",
  "base/embedded_json.ts this.#text[this.end]",
  "base/embedded_json.ts this.#text[this.end - 1]",
  "tool/dialogue/workflow_brief.ts HINTS[field]",
  "agent/output/read_output.ts OUTPUTS[format]",
  "workspace/session_workspace.ts NOT_WORTH_READING[why]",
  "tool/window_tools.ts MISSING[tool.needs]",
  "tool/material/change_filter.ts NOT_WORTH_READING[why]",
  "tool/material/legacy_encoding.ts NAMES[encoding]",
  "tool/material/legacy_encoding.ts COMMON[encoding]",
  "tool/material/legacy_encoding.ts ALPHABETS[encoding]",
  "tool/material/legacy_encoding.ts LATIN[encoding]",
  "tool/material/left_out.ts KINDS[kind]",
  "tool/material/secret_tokens.ts TOKENS[index]",
  "tool/exai_server.ts LISTS[kind]",
  "tool/sampling.ts PRIORITIES[modelClass]",
  "tool/surface/parameters.ts FALLBACKS[field]",
  "tool/user_tool_services.ts SERVICES[method]",
  "upstream/lists/list_cache.ts LISTS[kind]",
  "upstream/lists/list_view.ts LISTS[kind]",
  "config/settings_schema.ts SETTINGS[name]",
  "config/daemon_environment.ts SETTINGS[name]",
  "config/unused_settings.ts SETTINGS[name]",
  "config/window_settings.ts SETTINGS[name]",
  "config/settings_file.ts SETTINGS[name]",
  "config/settings_file.ts this.#file[list]",
  "config/inherited_variables.ts INHERITED[platform]",
  "app/live_settings.ts this.#current[name]",
  "router/public_names.ts this.#given[given.kind]",
  "router/public_names.ts this.#given[kind]",
  "wire/codes.ts CODES[error.code]",
  "doctor/check_clients.ts SETTINGS[setting]",
  "adopt/read.ts LANGUAGES[language]",
  "commands/adopt_report.ts SHARED_BY[scope]",
  "commands/service/service_spec.ts SETTINGS[name]",
]);

Deno.test("no table is asked for a name that somebody else chose", async () => {
  const root = fromFileUrl(new URL("../lib/", import.meta.url));
  const found: string[] = [];
  for (const path of filesBelow(root)) {
    for (const read of tableReads(path.slice(root.length), await Deno.readTextFile(path))) {
      found.push(`${read.path} ${read.text}`);
    }
  }
  assertEquals(found.filter((read) => !REVIEWED.has(read)), []);
  assertEquals([...REVIEWED].filter((read) => !found.includes(read)), []);
});

function filesBelow(dir: string): string[] {
  return [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${dir}${name}/`) : name.endsWith(".ts") ? [dir + name] : []
  );
}
