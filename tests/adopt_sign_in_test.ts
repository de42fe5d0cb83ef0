// Servers that are signed in to, and those behind mcp-remote, when they are taken over from a client.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { importEntry } from "../lib/adopt/import_entry.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { TestUser } from "./helpers/adoption.ts";

const url = "https://x.example/mcp";
const CURSOR = "{home}/.cursor/mcp.json";

/** The entry that is imported, and what is said of it; a text: why it is not. */
function imported(entry: JsonObject, project?: string) {
  return importEntry(entry, { dialect: "other", root: {}, project });
}

Deno.test("mcp-remote becomes the URL it leads to, with its headers, client and tools", () => {
  const of = (...args: string[]) => {
    const result = imported({ command: "npx", args: ["-y", "mcp-remote@latest", ...args] });
    if (typeof result === "string") throw new Error(result);
    assertStringIncludes(result.notes.join(), "is reached by the daemon itself, without mcp-remote");
    return result.entry;
  };
  assertEquals(of(url), { url });
  assertEquals(of(url, "--transport", "http-only", "--debug"), { type: "http", url });
  assertEquals(of(url, "--transport", "sse-only"), { type: "sse", url });
  assertEquals(of("--header", "X-A: b c", url, "--header", "Y:d"), {
    url,
    headers: { "X-A": "b c", Y: "d" },
  });
  assertEquals(of(url, "--ignore-tool", "delete*", "--ignore-tool", "x"), { url, exclude: ["delete*", "x"] });
  assertEquals(
    of(
      url,
      "8080",
      "--static-oauth-client-info",
      '{"client_id": "a", "client_secret": "${env:S}"}',
      "--static-oauth-client-metadata",
      '{"scope": "r w"}',
    ),
    {
      url,
      oauth: {
        clientId: "a",
        clientSecret: "${env:S}",
        scopes: ["r", "w"],
        redirectUrl: "http://localhost/oauth/callback",
        callbackPort: 8080,
      },
    },
  );
  assertEquals(of(url, "--resource", "https://tenant1.example/"), { url, account: "tenant1.example" });
  assertEquals(of(url, "--resource", "https://t.example/a/b/"), { url, account: "t.example-a-b" });
  assertEquals(of(url, "--static-oauth-client-metadata", '{"scope": " r  w "}'), {
    url,
    oauth: { scopes: ["r", "w"] },
  });
  const env = { AUTH: "Bearer ${env:T}", OTHER: "x" };
  const plain = imported({ command: "mcp-remote", args: [url, "--header", "Authorization:${AUTH}"], env });
  assertEquals(typeof plain === "string" ? plain : plain.entry, {
    url,
    headers: { Authorization: "${AUTH}" },
    env: { AUTH: "Bearer ${env:T}" },
  });
  const left = imported({ command: "mcp-remote", args: [url, "--header", "Authorization:$${AUTH}"], env });
  assertEquals(left, plain);
  const windows = imported({ command: "cmd", args: ["/c", "npx", "mcp-remote", url], disabled: true });
  assertEquals(typeof windows === "string" ? windows : [windows.entry, windows.isDisabled], [{ url }, true]);
});

Deno.test("what mcp-remote alone does stays with it", () => {
  const stays: [string[], JsonObject?][] = [
    [[url, "--enable-proxy"]],
    [[url, "--disable-resource-parameter"]],
    [[url, "--some-new-flag"]],
    [[url, "--static-oauth-client-info", "@/home/me/info.json"]],
    [[url, "--header", "no header"]],
    [["http://intranet.example/mcp", "--allow-http"]],
    [["${env:URL}"]],
    [[url], { HTTPS_PROXY: "http://127.0.0.1:3128" }],
    [[url], { NODE_EXTRA_CA_CERTS: "/ca.pem" }],
    [["https://mcp.figma.com/mcp"]],
  ];
  for (const [args, env] of stays) {
    const entry = { command: "npx", args: ["mcp-remote", ...args], ...env ? { env } : {} };
    const result = imported(entry);
    assertEquals(typeof result === "string" ? result : result.entry, entry, args.join(" "));
  }
  const other = { command: "npx", args: ["some-server", "mcp-remote", url] };
  const result = imported(other);
  assertEquals(typeof result === "string" ? result : result.entry, other);
});

Deno.test("a client that was registered for Claude Code keeps its redirect address, and its secret is asked for", () => {
  const entry = { url, oauth: { clientId: "a", callbackPort: 3118 } };
  const result = importEntry(entry, { dialect: "claude-code", root: {}, project: undefined });
  if (typeof result === "string") throw new Error(result);
  const oauth = { clientId: "a", callbackPort: 3118, redirectUrl: "http://localhost/callback" };
  assertEquals(result.entry, { url, oauth });
  const missing = "the secret of oauth.clientId, where it has one, is not in its file";
  const text = result.notes.join("\n");
  for (const part of [missing, "exai-daemon secret set"]) assertStringIncludes(text, part);
  const whole = { url, oauth: { clientId: "a", clientSecret: "b" } };
  const taken = importEntry(whole, { dialect: "claude-code", root: {}, project: undefined });
  assertEquals(JSON.stringify(taken).includes(missing), false);
});

Deno.test("an entry of a project keeps its helper, by the whole path", () => {
  const of = (headersHelper: string | string[]) => {
    const result = imported({ url, headersHelper }, "/work/shop");
    if (typeof result === "string") return result;
    return JSON.parse(JSON.stringify(result.entry.headersHelper).replaceAll("\\\\", "/"));
  };
  assertEquals(of("./bin/headers.sh --prod"), "/work/shop/bin/headers.sh --prod");
  assertEquals(of(["bin/headers.sh", "./x"]), ["/work/shop/bin/headers.sh", "./x"]);
  assertEquals(of("print-headers ./x"), "print-headers ./x");
  assertEquals(of("${workspaceFolder}/x.sh"), "${workspaceFolder}/x.sh");
});

Deno.test("a server that clients sign in to is taken over, and how it is signed in to from now on is said", async () => {
  await using user = await TestUser.create();
  const entries = {
    linear: { url: "https://mcp.linear.app/mcp" },
    corp: { url: "https://mcp.corp.example/mcp", auth: { CLIENT_ID: "a" } },
    bridged: { command: "npx", args: ["-y", "mcp-remote", "https://mcp.sentry.dev/mcp"] },
    github: { url: "https://api.githubcopilot.com/mcp/", headers: { Authorization: "Bearer t" } },
    closed: { url: "https://mcp.figma.com/mcp" },
    open: { url: "https://open.example.com/mcp" },
  };
  await user.write(CURSOR, JSON.stringify({ mcpServers: entries }));
  const { plan } = await user.adopt();
  const mcp: Record<string, JsonObject> = JSON.parse(await Deno.readTextFile(user.mcp)).mcpServers;
  assertEquals(Object.keys(mcp), ["linear", "corp", "bridged", "github", "open"]);
  assertEquals([mcp.corp!.oauth, mcp.bridged], [{ clientId: "a" }, { url: "https://mcp.sentry.dev/mcp" }]);
  const notesOf = (name: string) => plan.servers.find((server) => server.name === name)!.notes.join("\n");
  for (const name of ["linear", "corp", "bridged"]) {
    assertStringIncludes(notesOf(name), "exai-daemon auth login");
  }
  for (const name of ["github", "open"]) assertEquals(notesOf(name), "");
  assertStringIncludes(notesOf("corp"), "must be allowed to redirect to http://127.0.0.1/callback too");
  assertStringIncludes(notesOf("bridged"), "without mcp-remote");
  assertEquals(plan.kept.map(({ entry }) => entry.name), ["closed"]);
  assertStringIncludes(plan.kept[0]!.reason, "lets only programs sign in that are registered with it");
  const { mcpServers } = JSON.parse(await user.read(CURSOR));
  assertEquals(Object.keys(mcpServers), ["closed", "exai"]);
});
