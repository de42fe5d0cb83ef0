import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { statePaths } from "../lib/config/paths.ts";
import { openUserVault, type UserVaultOptions } from "../lib/state/user_vault.ts";
import { FakeKeychain } from "./helpers/fake_keychain.ts";
import { tempDir } from "./helpers/files.ts";
import { until } from "./helpers/until.ts";

/** A vault whose key is in a keychain, which is locked then. */
async function rig() {
  const dir = await tempDir({});
  const paths = statePaths({ home: dir.path });
  const keychain = new FakeKeychain();
  const open = (more: Partial<UserVaultOptions> = {}) => openUserVault({ paths, keychain, ...more });
  const earlier = open();
  await earlier.secrets.set("a", "first-value");
  keychain.asked = 0;
  keychain.isLocked = true;
  return { paths, keychain, open, earlier, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

const ID = { resource: "https://mcp.example/mcp", name: "default" };

async function fail(work: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(work, ExaiError)).message;
}

Deno.test("a keychain that gives no key is asked once, and again when a person wants it", async () => {
  await using it = await rig();
  const vault = it.open({ askedAgainBy: "exai-daemon reload" });
  assertEquals(vault.askAgain(), false);
  const uses = [
    () => vault.secrets.get("a"),
    () => vault.secrets.set("b", "second-value"),
    () => vault.credentials.read(ID),
    () => vault.credentials.change(ID, () => Promise.resolve({ clients: {} })),
  ];
  for (const use of uses) assertStringIncludes(await fail(use), "unlock it; then run exai-daemon reload");
  it.keychain.isLocked = false;
  assertStringIncludes(await fail(() => vault.secrets.get("a")), "it is locked");
  assertEquals(it.keychain.asked, 1);
  assertEquals(vault.askAgain(), true);
  assertEquals(await vault.secrets.get("a"), "first-value");
  assertEquals(await vault.credentials.read(ID), undefined);
  assertEquals(vault.askAgain(), false);
  assertEquals(await vault.secrets.get("a"), "first-value");
  assertEquals(it.keychain.asked, 2);
});

Deno.test("a first login puts one key into the keychain, whatever became of attempts before it", async () => {
  await using dir = await tempDir({});
  const keychain = new FakeKeychain();
  const { credentials } = openUserVault({ paths: statePaths({ home: dir.path }), keychain });
  await assertRejects(() => credentials.change(ID, () => Promise.reject(new Error("declined"))));
  await credentials.change(ID, (before) => Promise.resolve(before));
  await credentials.change(ID, () => Promise.resolve({ clients: {} }));
  assertEquals(keychain.items.size, 1);
});

Deno.test("a keychain whose answer is waited for is not asked a second time, whoever wants it", async () => {
  await using it = await rig();
  const typing = Promise.withResolvers<void>();
  it.keychain.answering = typing.promise;
  it.keychain.isLocked = false;
  const vault = it.open();
  const waiting = [vault.secrets.get("a")];
  vault.askAgain();
  waiting.push(vault.secrets.get("a"));
  await until("the keychain is asked", () => it.keychain.asked > 0 || undefined);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(it.keychain.asked, 1);
  typing.resolve();
  assertEquals(await Promise.all(waiting), ["first-value", "first-value"]);
});

Deno.test("a process that renews tokens for another asks no keychain", async () => {
  await using it = await rig();
  const { credentials } = it.open();
  await credentials.useKeys!(it.earlier.credentials.keys!);
  assert(await credentials.change(ID, () => Promise.resolve({ clients: {} })));
  assertEquals(it.keychain.asked, 0);
});

Deno.test("nobody waits for a keychain who has the key already", async () => {
  await using it = await rig();
  const typing = Promise.withResolvers<void>();
  it.keychain.answering = typing.promise;
  const other = it.open();
  const refused = fail(() => other.secrets.set("b", "second-value"));
  const checked = fail(() => other.credentials.change(ID, () => Promise.resolve({ clients: {} })));
  await it.earlier.secrets.set("c", "third-value");
  assert(await it.earlier.credentials.change(ID, () => Promise.resolve({ clients: {} })));
  typing.resolve();
  for (const message of await Promise.all([refused, checked])) assertStringIncludes(message, "it is locked");
  assertEquals(await it.earlier.secrets.names(), ["a", "c"]);
});
