import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Page } from "playwright-core";
import type { JsonObject } from "../../lib/base/json.ts";
import { MARKUP } from "../helpers/fake_watch.ts";
import { tempDir } from "../helpers/files.ts";
import { axeFaults, browserTest, launchBrowser, visitIn, visitPage } from "../helpers/page_visit.ts";
import { startDaemon } from "../helpers/program.ts";
import { scripted, tool } from "../helpers/scripted.ts";
import { shimWindow, textOf } from "../helpers/sdk_client.ts";
import { threeServers } from "../helpers/three_servers.ts";

/** What EXAI is promised to be seen with: the daemon as it is run, servers and windows as people have them. */
async function desk(
  { servers, env = {} }: { servers?: Record<string, JsonObject>; env?: Record<string, string> } = {},
) {
  const places = await tempDir({ "left/a.txt": "a", "right/b.txt": "b" });
  const home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  const three = threeServers(places.path);
  three.everything!.share = "machine";
  await home.write("mcp.json", JSON.stringify({ mcpServers: servers ?? three }));
  const start = (port = "0") =>
    startDaemon({ home: home.path, env: { ...env, EXAI_WS_PORT: port, EXAI_CALLS_BODIES: "true" } });
  let daemon = await start();
  return {
    home: home.path,
    dir: places.path,
    url: daemon.url,
    http: daemon.url.replace(/^ws/, "http"),
    get pid() {
      return daemon.process.pid;
    },
    window: (name: string) =>
      shimWindow({ home: home.path, url: daemon.url, cwd: join(places.path, name), name }),
    async kill() {
      daemon.process.kill("SIGKILL");
      await daemon.process.status;
    },
    async startAgain() {
      await daemon[Symbol.asyncDispose]();
      daemon = await start(new URL(daemon.url).port);
    },
    async [Symbol.asyncDispose]() {
      daemon.process.kill("SIGTERM");
      await daemon.process.status;
      await daemon[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
      await places[Symbol.asyncDispose]();
    },
  };
}

/** Goes to one of the parts of the page. */
async function open(page: Page, part: string): Promise<void> {
  await page.locator(`nav a[href="#${part}"]`).click();
}

/** Presses the button `name` and agrees to what the page asks then. */
async function agree(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name, exact: true }).first().click();
  await page.getByRole("dialog").locator("button.main").click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

/** Waits until a server is shown in `state`. */
function shownAs(page: Page, server: string, state: string): Promise<void> {
  const header = page.getByRole("rowheader").filter({ has: page.getByText(server, { exact: true }) });
  return header.locator(".state").filter({ hasText: new RegExp(`^${state}`) }).waitFor();
}

function select(page: Page, server: string): Promise<void> {
  return page.getByRole("rowheader", { name: server }).click();
}

browserTest("two windows and three servers are shown with state, cause and who shares", async () => {
  await using it = await desk();
  await using left = await it.window("left");
  await using right = await it.window("right");
  for (const window of [left, right]) {
    await window.callTool({ name: "echo", arguments: { message: "hello" } });
    await window.callTool({ name: "list_allowed_directories", arguments: {} });
  }
  await visitPage(it.http, {}, async ({ page, faults }) => {
    await page.getByText("3 servers, 2 windows").waitFor();
    const cells = await page.getByRole("gridcell").locator(".unseen").allTextContents();
    // Numbers follow the share keys, which are hashes of directories.
    const [left, right] = cells[2]!.includes("process 1") ? [1, 2] : [2, 1];
    assertEquals(cells, [
      "everything, left left: process 1, running, shared with 1 other session",
      "everything, right right: process 1, running, shared with 1 other session",
      `filesystem, left left: process ${left}, running, not shared`,
      `filesystem, right right: process ${right}, running, not shared`,
      "memory, left left: not in use; not started",
      "memory, right right: not in use; not started",
    ]);
    await select(page, "filesystem");
    const details = await page.locator(".details").innerText();
    assertMatch(details, /Shared by\s+project\s+Because\s+it works in one set of directories/);
    assertMatch(details, /Used by\s+right right/);
    await open(page, "calls");
    await page.getByText("4 calls").waitFor();
    for (const part of ["matrix", "calls", "measured", "logs", "accounts"]) {
      await open(page, part);
      assertEquals(await axeFaults(page), [], part);
    }
    assertEquals(faults, []);
  });
});

browserTest("a long call is cancelled from the page, and its window gets an answer", async () => {
  await using it = await desk();
  await using left = await it.window("left");
  const long = { name: "trigger-long-running-operation", arguments: { duration: 120, steps: 120 } };
  const answer = left.callTool(long).then(textOf, String);
  await visitPage(it.http, { path: "#calls" }, async ({ page, faults }) => {
    await page.getByRole("row").filter({ hasText: "running" }).click();
    await agree(page, "Cancel this call");
    assertMatch(await answer, /cancel/i);
    await page.getByText(/^The call \S+ is cancelled\./).waitFor();
    await page.locator(".row").filter({ hasText: "cancelled" }).waitFor();
    assertEquals(faults, []);
  });
});

browserTest("a server is restarted, parked and stopped from the page, and a session is ended", async () => {
  await using it = await desk();
  await using left = await it.window("left");
  const call = async () => textOf(await left.callTool({ name: "echo", arguments: { message: "hello" } }));
  assertStringIncludes(await call(), "hello");
  await visitPage(it.http, {}, async ({ page, faults }) => {
    await select(page, "everything");
    const pid = async () => /running, process (\d+)/.exec(await page.locator(".details").innerText())?.[1];
    await page.locator(".details").getByText(/running, process/).waitFor();
    const before = await pid();
    await agree(page, "Restart everything");
    await page.getByText("everything is started again.").waitFor();
    // What is shown comes by another connection than the answer.
    await page.locator(".details").getByText(new RegExp(`process ${before}\\b`)).waitFor({
      state: "detached",
    });
    await page.locator(".details").getByText(/running, process/).waitFor();
    assertNotEquals(await pid(), before);
    await agree(page, "Park everything");
    await shownAs(page, "everything", "not started");
    assertStringIncludes(await call(), "hello");
    await shownAs(page, "everything", "running");
    const long = { name: "trigger-long-running-operation", arguments: { duration: 120, steps: 120 } };
    const answer = left.callTool(long).then(textOf, String);
    await page.getByRole("gridcell", { name: "1 call running" }).waitFor();
    await agree(page, "Stop everything");
    assertMatch(await answer, /stopped|ended/);
    await shownAs(page, "everything", "not started");
    await page.getByRole("gridcell").first().click();
    await agree(page, "End this session");
    await page.getByText(/^The session of .* has ended\./).waitFor();
    assertStringIncludes(await call(), "hello");
    assertEquals(faults, []);
  });
});

browserTest(
  "where a token is set, it is asked for, and a rotation leaves the one who asked for it in",
  async () => {
    await using it = await desk({ servers: {}, env: { EXAI_WS_TOKEN: "auto" } });
    const token = (await Deno.readTextFile(join(it.home, "token"))).trim();
    await using browser = await launchBrowser();
    await visitIn(browser, { url: it.http }, async ({ page, faults }) => {
      await page.getByText("Not signed in.").waitFor();
      assertEquals(await page.getByRole("grid").count(), 0, "nothing is shown without it");
      await page.getByLabel("Token").fill("wrong");
      await page.keyboard.press("Enter");
      await page.getByRole("alert").waitFor();
      await page.getByLabel("Token").fill(token);
      await page.keyboard.press("Enter");
      await page.getByText("Live").waitFor();
      await visitIn(browser, { url: it.http }, async ({ page: other }) => {
        await other.getByLabel("Token").fill(token);
        await other.keyboard.press("Enter");
        await other.getByText("Live").waitFor();
        await agree(page, "Rotate token");
        await page.getByText("The token is a new one.").waitFor();
        await other.reload();
        await other.getByText("Not signed in.").waitFor();
      });
      await page.getByText("Live").waitFor();
      assertNotEquals((await Deno.readTextFile(join(it.home, "token"))).trim(), token);
      assertEquals(faults.filter((fault) => !fault.includes("401")), []);
    });
  },
);

browserTest(
  "the page says that the daemon is gone, keeps what it has with its age, and recovers",
  async () => {
    await using it = await desk();
    await using left = await it.window("left");
    await left.callTool({ name: "echo", arguments: { message: "hello" } });
    await visitPage(it.http, {}, async ({ page }) => {
      await shownAs(page, "everything", "running");
      await it.kill();
      await page.getByText(/^Not connected: /).waitFor();
      await page.getByText(/What is shown is .* old/).waitFor();
      assertEquals(await page.getByRole("rowheader").count(), 3);
      await it.startAgain();
      await page.getByText("Live").waitFor({ timeout: 30_000 });
      await shownAs(page, "everything", "not started");
      await left.callTool({ name: "echo", arguments: { message: "hello" } });
      await shownAs(page, "everything", "running");
    });
  },
);

browserTest(
  "a server, a tool and an answer that are markup are shown as text, and 5 MB in part",
  async () => {
    const dir = await Deno.makeTempDir();
    const answer = { content: [{ type: "text", text: MARKUP }] };
    const servers = {
      [MARKUP]: scripted({ "tools/list": { tools: [tool("odd")] } }),
      odd: scripted({
        "tools/list": { tools: [tool(MARKUP, { description: MARKUP })] },
        "tools/call": answer,
      }),
      broken: scripted({ exits: true }),
      ...threeServers(dir),
    };
    await using it = await desk({ servers, env: { EXAI_CALLS_BODY_MAX_BYTES: String(2 ** 24) } });
    await Deno.writeTextFile(join(dir, "big.txt"), "x".repeat(5_000_000));
    await using left = await it.window("left");
    const { tools } = await left.listTools();
    const named = tools.find(({ description }) => description?.includes("<img"));
    await left.callTool({ name: named!.name, arguments: { text: MARKUP } });
    await left.callTool({ name: "read_text_file", arguments: { path: join(dir, "big.txt") } });
    await left.callTool({ name: "read_text_file", arguments: { path: join(dir, "none.txt") } });
    await visitPage(it.http, {}, async ({ page, faults }) => {
      for (const part of ["matrix", "measured", "logs", "accounts", "calls"]) await open(page, part);
      await page.getByRole("row").filter({ hasText: "odd" }).click();
      assertStringIncludes(await page.getByLabel("Answered").innerText(), "<img src=x");
      await page.getByRole("row").filter({ hasText: "read_text_file" }).last().click();
      await page.getByRole("button", { name: "Show more" }).click();
      await page.getByText(/^200,000 of 10,\d+,\d+ characters/).waitFor();
      await open(page, "matrix");
      await shownAs(page, "broken", "failed");
      await page.locator(".why").filter({ hasText: "exited" }).waitFor();
      assertEquals(await page.evaluate("[window.wasRun ?? null, document.querySelectorAll('img').length]"), [
        null,
        0,
      ]);
      assertEquals(faults, []);
    });
    await Deno.remove(dir, { recursive: true });
  },
);
