import { assertEquals, assertRejects } from "@std/assert";
import type { LogLevel } from "../lib/wire/mcp.ts";
import { instanceOf, settled, Window } from "./helpers/instance.ts";

const OK = { result: {} };

/** An instance with a window that has asked for no log level, and what its server says at a level to its call. */
async function silentWindow() {
  const it = await instanceOf();
  it.upstream.answer = ({ method }) => method === "logging/setLevel" ? OK : undefined;
  const bob = new Window("bob");
  it.instance.attach(bob.caller);
  const running = it.instance.call(bob.call());
  const say = (level: string) =>
    it.upstream.say({ method: "notifications/message", params: { level, data: level } });
  return {
    ...it,
    bob,
    running,
    say,
    levelsHeard: () => bob.heard.splice(0).map(({ params }) => params?.level),
  };
}

/** A window that has asked for a log level comes. */
async function comes(
  { instance }: Pick<Awaited<ReturnType<typeof silentWindow>>, "instance">,
  logLevel: LogLevel,
) {
  const ada = new Window("ada", {}, { logLevel });
  instance.attach(ada.caller);
  await settled();
  return ada;
}

Deno.test("a window that has asked for no log level gets the same whatever level another one asks for", async () => {
  for (const [asked, told] of [["debug", "debug"], ["error", "info"]] as const) {
    const it = await silentWindow();
    const ada = await comes(it, asked);
    assertEquals(it.upstream.last("logging/setLevel").params as unknown, { level: told });
    for (const level of ["debug", "info", "error", "odd"]) it.say(level);
    assertEquals(it.levelsHeard(), ["info", "error", "odd"]);
    it.instance.leave(ada.caller);
    await settled();
    assertEquals(it.upstream.last("logging/setLevel").params as unknown, { level: "info" });
    it.say("debug");
    assertEquals(it.levelsHeard(), []);
    Object.assign(it.bob.caller, { logLevel: "debug" });
    it.say("debug");
    assertEquals(it.levelsHeard(), ["debug"], "now it has asked");
    it.upstream.onclose!();
    await assertRejects(() => it.running);
  }
});

Deno.test("what a server has sent before anybody asked for a level is what a window that asks for none goes on getting", async () => {
  const it = await silentWindow();
  it.say("debug");
  assertEquals(it.levelsHeard(), ["debug"]);
  await comes(it, "error");
  assertEquals(it.upstream.last("logging/setLevel").params as unknown, { level: "debug" });
  it.say("debug");
  assertEquals(it.levelsHeard(), ["debug"]);
  it.upstream.onclose!();
  await assertRejects(() => it.running);
});

Deno.test("a level that the server refuses changes nothing for a window that has asked for none", async () => {
  const it = await silentWindow();
  it.upstream.answer = () => ({ error: { code: -32050, message: "not today" } });
  await comes(it, "debug");
  it.say("debug");
  assertEquals(it.levelsHeard(), ["debug"]);
  it.upstream.onclose!();
  await assertRejects(() => it.running);
});
