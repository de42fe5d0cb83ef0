import { assertEquals, assertRejects } from "@std/assert";
import { PunctualSecrets } from "../lib/auth/punctual_secrets.ts";
import { until } from "./helpers/until.ts";

/** Secrets that come when a test says so. */
function rig(waitMs: number) {
  const asked: string[] = [];
  const open = new Map<string, PromiseWithResolvers<string>>();
  const source = {
    read: (name: string) => {
      asked.push(name);
      const one = open.get(name) ?? Promise.withResolvers<string>();
      open.set(name, one);
      return one.promise;
    },
  };
  let late = 0;
  const secrets = new PunctualSecrets(source, { waitMs, onLate: () => void late++ });
  return { asked, open, secrets, late: () => late };
}

Deno.test("a secret that comes soon is given, and what is wrong with it is said", async () => {
  const it = rig(5000);
  const reading = it.secrets.read("a");
  it.open.get("a")!.resolve("value");
  assertEquals([await reading, it.late()], ["value", 0]);
  const failing = it.secrets.read("b");
  it.open.get("b")!.reject(new Error("which is not set"));
  await assertRejects(() => failing, Error, "which is not set");
});

Deno.test("a secret that comes late is waited for once, and its coming is told", async () => {
  const it = rig(20);
  await assertRejects(() => it.secrets.read("a"), Error, "did not come within");
  await assertRejects(() => it.secrets.read("a"), Error, "did not come within");
  assertEquals([it.asked, it.late()], [["a"], 0]);
  it.open.get("a")!.resolve("value");
  await until("it is told", () => it.late() === 1 || undefined);
  assertEquals(await it.secrets.read("a"), "value");
});

Deno.test("a secret that fails late is not asked for again by itself, as a keychain would ask its user", async () => {
  const it = rig(20);
  await assertRejects(() => it.secrets.read("a"), Error, "did not come within");
  it.open.get("a")!.reject(new Error("which cannot be read: it is locked"));
  await until("it may be asked for again", async () => {
    const said = await it.secrets.read("a").catch((thrown) => thrown.message);
    return said.includes("it is locked") || undefined;
  });
  assertEquals(it.late(), 0);
});
