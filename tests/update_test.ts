import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError, UsageError } from "../lib/base/errors.ts";
import { VERSION } from "../lib/base/version.ts";
import { runAction } from "../lib/commands/commands.ts";
import { updateCommand } from "../lib/commands/update.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { runDaemon } from "./helpers/program.ts";

/** A source of releases that answers with `answer`, and notes what it is asked. */
function source(answer: () => Response) {
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const headers = Array.from(request.headers, ([name, value]) => `${name}: ${value}`);
    asked.push([`${request.method} ${new URL(request.url).pathname}`, ...headers].join("\n"));
    return answer();
  });
  return {
    asked,
    url: `http://127.0.0.1:${server.addr.port}/latest`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function update(releasesUrl: string, switches = ["check"]) {
  return runAction({ path: "update", action: updateCommand }, {
    settings: defaultSettings({ releasesUrl }),
    own: new Map(),
    switches: new Set(switches),
    options: new Map(),
    args: [],
    progress: { step() {}, end() {} },
    print: () => {},
  });
}

async function refusal(answer: () => Response): Promise<string> {
  await using releases = source(answer);
  const { code, message } = await assertRejects(() => update(releases.url), ExaiError);
  assertEquals(code, "UPSTREAM_UNAVAILABLE");
  assertStringIncludes(message, releases.url);
  return message;
}

Deno.test("update --check: the newest release is told as such with exit code 0", async () => {
  await using releases = source(() => Response.json({ version: VERSION }));
  const { text, code, json } = await update(releases.url);
  assertEquals([text, code], [`${VERSION} is the newest release`, 0]);
  assertEquals((json as { update: boolean }).update, false);
});

Deno.test("update --check: a newer release is told with its page and exit code 1, in GitHub's form", async () => {
  const release = {
    tag_name: "v99.1.0",
    html_url: "https://example.com/r",
    url: "https://api/1",
    published_at: "2030",
  };
  await using releases = source(() => Response.json(release));
  const { text, code, json } = await update(releases.url);
  assertEquals([text, code], [`99.1.0 is there, of 2030, and this is ${VERSION}: https://example.com/r`, 1]);
  const shown = {
    version: VERSION,
    newest: "99.1.0",
    update: true,
    url: "https://example.com/r",
    published_at: "2030",
  };
  assertEquals(json, shown);
});

Deno.test("update --check: a release before the final one is not newer than it, nor is an older one", async () => {
  for (const version of [`${VERSION}-rc.1`, "0.0.1"]) {
    await using releases = source(() => Response.json({ version }));
    assertEquals((await update(releases.url)).code, 0, version);
  }
});

Deno.test("update --check asks once, and sends nothing but the version of this program", async () => {
  await using releases = source(() => Response.json({ version: VERSION }));
  await update(releases.url);
  assertEquals(releases.asked.length, 1);
  const [request = ""] = releases.asked;
  assert(request.startsWith("GET /latest\n"), request);
  assertStringIncludes(request, `user-agent: exai/${VERSION}`);
  const names = request.split("\n").slice(1).map((line) => line.split(":")[0]!).sort();
  assertEquals(names, ["accept", "accept-encoding", "accept-language", "host", "user-agent"]);
});

Deno.test("update --check: a source that refuses, says something else or names no version is told as such", async () => {
  assertStringIncludes(await refusal(() => new Response("no", { status: 503 })), "status 503");
  assertStringIncludes(await refusal(() => new Response("<html>")), "names no version");
  assertStringIncludes(await refusal(() => Response.json([])), "names no version");
  assertStringIncludes(await refusal(() => Response.json({ version: "latest" })), '"latest"');
  assertStringIncludes(await refusal(() => new Response(" ".repeat(2 ** 21))), "more than 1 MiB");
});

Deno.test("update --check: a password in the URL of the source is not shown", async () => {
  await using releases = source(() => new Response("no", { status: 401 }));
  const url = releases.url.replace("//", "//ada:secret@");
  const { message } = await assertRejects(() => update(url), ExaiError);
  assertStringIncludes(message, releases.url);
  assert(!message.includes("secret"), message);
});

Deno.test("update --check: what a source says cannot control the terminal", async () => {
  await using releases = source(() => Response.json({ version: "99.0.0", url: "\x1b[2J" }));
  assertStringIncludes((await update(releases.url)).text, "\\x1b[2J");
});

Deno.test("update without --check, and without a source, says what to write", async () => {
  assertStringIncludes((await assertRejects(() => update("", []), UsageError)).message, "update [--check]");
  const { code, message } = await assertRejects(() => update(""), ExaiError);
  assertEquals(code, "CONFIG");
  assertStringIncludes(message, '"releasesUrl": "URL"');
});

Deno.test("update --check of the program: nobody there is exit code 1, with the reason and the setting", async () => {
  using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  const env = { EXAI_RELEASES_URL: `http://127.0.0.1:${port}/` };
  const { code, stderr } = await runDaemon({ args: ["update", "--check"], env });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "could not be asked");
  assertStringIncludes(stderr, "EXAI_RELEASES_URL");
});
