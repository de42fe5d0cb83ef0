import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { statePaths } from "../lib/config/paths.ts";
import { openUserVault, type UserVaultOptions } from "../lib/state/user_vault.ts";
import { FakeKeychain } from "./helpers/fake_keychain.ts";
import { tempDir } from "./helpers/files.ts";

/** A vault whose key is in `vault.key`, as there was no keychain. */
async function rig() {
  const dir = await tempDir({});
  const paths = statePaths({ home: dir.path });
  const keychain = new FakeKeychain();
  const open = (more: Partial<UserVaultOptions> = {}) => openUserVault({ paths, ...more });
  await open().secrets.set("a", "first-value");
  const names = () => [...Deno.readDirSync(dir.path)].map(({ name }) => name).sort();
  return { dir, paths, keychain, open, names, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

async function fail(work: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(work, ExaiError)).message;
}

Deno.test("a key moves into a keychain and out of it, and the one of before is gone", async () => {
  await using it = await rig();
  const { keychain } = it;
  const running = it.open({ keychain });
  await running.secrets.get("a");
  const kept = await Deno.readTextFile(it.paths.vaultKey);
  assertEquals(await it.open({ keychain }).moveKey(), { from: "file", to: "secret-service" });
  assertEquals([it.names(), keychain.items.size], [["vault.jwe", "vault.lock"], 1]);
  assertEquals([...keychain.items.values()].includes(kept.trim()), false, "it is another key");
  assertEquals(await running.secrets.get("a"), "first-value");
  assertEquals(await it.open({ keychain }).moveKey(), { from: "secret-service", to: "secret-service" });
  const out = it.open({ keychain, usesKeychain: false });
  assertEquals(await out.moveKey(), { from: "secret-service", to: "file" });
  assertEquals([it.names(), keychain.items.size], [["vault.jwe", "vault.key", "vault.lock"], 0]);
  assertEquals(await it.open().secrets.get("a"), "first-value");
  await running.secrets.set("b", "second-value");
  assertEquals(await it.open().secrets.names(), ["a", "b"]);
});

Deno.test("a key stays where it is if its new place cannot be used", async () => {
  await using it = await rig();
  const { keychain } = it;
  const files = await Promise.all([it.paths.vault, it.paths.vaultKey].map((path) => Deno.readTextFile(path)));
  keychain.isLocked = true;
  const message = await fail(() => it.open({ keychain }).moveKey());
  assertStringIncludes(message, "vault.key, as the Secret Service is of no use now: it is locked; unlock it");
  await fail(() => it.open({ keyFile: `${it.dir.path}/none` }).moveKey());
  const after = await Promise.all([it.paths.vault, it.paths.vaultKey].map((path) => Deno.readTextFile(path)));
  assertEquals(after, files);
});

Deno.test("a key moves into the file that the user names, and nothing moves where there is no vault", async () => {
  await using it = await rig();
  const keyFile = `${it.dir.path}/given`;
  await Deno.writeTextFile(keyFile, new Uint8Array(32).fill(7).toBase64(), { mode: 0o600 });
  assertEquals(await it.open({ keyFile }).moveKey(), { from: "file", to: "given-file" });
  assertEquals(it.names(), ["given", "vault.jwe", "vault.lock"]);
  assertEquals(await it.open({ keyFile }).moveKey(), { from: "given-file", to: "given-file" });
  assertEquals(await it.open({ keyFile }).secrets.get("a"), "first-value");
  await Deno.remove(it.paths.vault);
  assertEquals(await it.open({ keyFile }).moveKey(), undefined);
});

Deno.test("a key moves out of a file of the user's, and into another one", async () => {
  await using it = await rig();
  const [keyFile, other] = [`${it.dir.path}/given`, `${it.dir.path}/other`];
  for (const [path, byte] of [[keyFile, 7], [other, 8]] as const) {
    await Deno.writeTextFile(path, new Uint8Array(32).fill(byte).toBase64(), { mode: 0o600 });
  }
  await it.open({ keyFile }).moveKey();
  assertStringIncludes(await fail(() => it.open().moveKey()), "name it: EXAI_VAULT_KEY_FILE");
  assertStringIncludes(await fail(() => it.open().moveKey(`${it.dir.path}/none`)), "which is not there");
  assertEquals(await it.open({ keyFile: other }).moveKey(keyFile), { from: "given-file", to: "given-file" });
  assertEquals(await it.open({ keyFile: other }).secrets.get("a"), "first-value");
  assertEquals(await it.open().moveKey(other), { from: "given-file", to: "file" });
  assertEquals(await it.open().secrets.get("a"), "first-value");
});

Deno.test("the key of before is removed only once the vault does not need it any more", async () => {
  await using it = await rig();
  const { keychain } = it;
  await it.open({ keychain }).moveKey();
  const [item = ""] = keychain.items.keys();
  const remove = keychain.remove.bind(keychain);
  const needed: string[] = [];
  keychain.remove = async (name) => {
    const [header = ""] = (await Deno.readTextFile(it.paths.vault)).split(".");
    needed.push(new TextDecoder().decode(Uint8Array.fromBase64(header, { alphabet: "base64url" })));
    return await remove(name);
  };
  await it.open({ keychain, usesKeychain: false }).moveKey();
  assertEquals(needed.map((header) => item.endsWith(JSON.parse(header).kid)), [false]);
});
