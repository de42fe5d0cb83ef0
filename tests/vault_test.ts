import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { KeptCredentials } from "../lib/auth/credential_store.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { redact } from "../lib/base/log.ts";
import { registerPassingSecret, registerSecret } from "../lib/base/secrets.ts";
import { statePaths } from "../lib/config/paths.ts";
import { openUserVault, type UserVaultOptions } from "../lib/state/user_vault.ts";
import { FakeKeychain } from "./helpers/fake_keychain.ts";
import { tempDir } from "./helpers/files.ts";

const onUnix = Deno.build.os !== "windows";
const ID = { resource: "https://mcp.example/mcp", name: "default" };
const KEPT = {
  clients: { "https://as.example": { client_id: "c1", client_secret: "canary-client-secret-1" } },
  tokens: { access_token: "canary-access-1", refresh_token: "canary-refresh-1", token_type: "Bearer" },
  expiresAtMs: 1_800_000_000_000,
} as unknown as KeptCredentials;

async function rig() {
  const dir = await tempDir({});
  const paths = statePaths({ home: dir.path });
  const notes: string[] = [];
  const open = (more: Partial<UserVaultOptions> = {}) =>
    openUserVault({ paths, onQuarantine: (note) => notes.push(note), ...more });
  const names = () => [...Deno.readDirSync(dir.path)].map(({ name }) => name).sort();
  return { dir, paths, notes, open, names, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

async function fail(work: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(work, ExaiError)).message;
}

Deno.test("what is kept is there for the next process, and nothing of it is in clear", async () => {
  await using it = await rig();
  const { credentials, secrets } = it.open();
  assertEquals(await credentials.read(ID), undefined);
  assertEquals(await secrets.names(), []);
  assertEquals(it.names(), [], "looking makes no files");
  await credentials.change(ID, () => Promise.resolve(KEPT));
  await secrets.set("github", "canary-secret-1");
  const again = it.open();
  assertEquals(await again.credentials.read(ID), KEPT);
  assertEquals(await again.credentials.list(), [ID]);
  assertEquals(await again.secrets.get("github"), "canary-secret-1");
  assertEquals(it.names(), ["account_locks", "vault.jwe", "vault.key", "vault.lock"]);
  for (const name of ["vault.jwe", "vault.key", "vault.lock"]) {
    const text = await Deno.readTextFile(`${it.dir.path}/${name}`);
    assert(!text.includes("canary"), name);
    if (onUnix) assertEquals((await Deno.stat(`${it.dir.path}/${name}`)).mode! & 0o777, 0o600, name);
  }
});

Deno.test("a secret may be what is kept first, before there is a state directory", async () => {
  await using it = await rig();
  const home = `${it.dir.path}/state/exai`;
  const open = () => openUserVault({ paths: statePaths({ home }) });
  await open().secrets.set("github", "canary-secret-1");
  assertEquals(await open().secrets.get("github"), "canary-secret-1");
  if (onUnix) assertEquals((await Deno.stat(home)).mode! & 0o777, 0o700);
});

Deno.test("accounts and secrets are changed apart from each other, and go when they are removed", async () => {
  await using it = await rig();
  const { credentials, secrets } = it.open();
  const other = { ...ID, name: "work" };
  await credentials.change(ID, () => Promise.resolve(KEPT));
  await credentials.change(other, () => Promise.resolve({ clients: {} }));
  await secrets.set("a", "first-value");
  assertEquals(await credentials.change(ID, () => Promise.resolve(undefined)), undefined);
  assertEquals(await credentials.read(ID), undefined);
  assertEquals(await credentials.read(other), { clients: {} });
  assertEquals([await secrets.remove("a"), await secrets.remove("a")], [true, false]);
  assertEquals(await secrets.get("toString"), undefined);
});

Deno.test("of two that change one account at once, the second is given what the first has left", async () => {
  await using it = await rig();
  const seen: (number | undefined)[] = [];
  const bump = () =>
    it.open().credentials.change(ID, async (before) => {
      seen.push(before?.expiresAtMs);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return { clients: {}, expiresAtMs: (before?.expiresAtMs ?? 0) + 1 };
    });
  await Promise.all([bump(), bump(), bump()]);
  assertEquals(seen, [undefined, 1, 2]);
});

Deno.test("what a change has not done is not written, and the account is free again", async () => {
  await using it = await rig();
  const { credentials } = it.open();
  await credentials.change(ID, () => Promise.resolve(KEPT));
  const before = await Deno.readTextFile(it.paths.vault);
  await assertRejects(
    () => credentials.change(ID, () => Promise.reject(new Error("the server is down"))),
    Error,
    "the server is down",
  );
  await credentials.change(ID, (kept) => Promise.resolve(kept));
  assertEquals(await Deno.readTextFile(it.paths.vault), before);
});

Deno.test("tokens, client secrets and secrets are kept out of the logs, line by line", async () => {
  await using it = await rig();
  const { credentials, secrets } = it.open();
  await credentials.change(ID, () => Promise.resolve(KEPT));
  await secrets.set("pem", "-----BEGIN KEY-----\ncanaryLineOfTheKey1234\n-----END KEY-----");
  const text = redact(
    "a canary-access-1 b canary-refresh-1 c canary-client-secret-1 d canaryLineOfTheKey1234 e",
  );
  assertEquals(text, "a [secret] b [secret] c [secret] d [secret] e");
});

for (
  const [what, spoil] of Object.entries({
    "garbage": () => "not a vault",
    "an empty file": () => "",
    "a changed byte": (text: string) => text.slice(0, -3) + (text.endsWith("AAA") ? "BBB" : "AAA"),
    "a file cut short": (text: string) => text.slice(0, text.length / 2),
    "a changed header": (text: string) =>
      btoa(atob(text.split(".")[0]!).replace("A256", "A128")) + text.slice(text.indexOf(".")),
  })
) {
  Deno.test(`a vault that is ${what} is put aside as it was, and said`, async () => {
    await using it = await rig();
    await it.open().secrets.set("a", "first-value");
    const spoilt = spoil(await Deno.readTextFile(it.paths.vault));
    await Deno.writeTextFile(it.paths.vault, spoilt);
    const { secrets } = it.open();
    assertEquals(await secrets.names(), []);
    await secrets.set("b", "second-value");
    assertEquals(await it.open().secrets.names(), ["b"]);
    const [aside = ""] = it.names().filter((name) => name.startsWith("vault.jwe.damaged-"));
    assertEquals(await Deno.readTextFile(`${it.dir.path}/${aside}`), spoilt);
    assertEquals(it.notes.length, 1);
    assertStringIncludes(it.notes[0]!, aside);
  });
}

Deno.test("a damaged vault is left where it is for who only looks, whatever is done with it", async () => {
  await using it = await rig();
  await Deno.writeTextFile(it.paths.vault, "not a vault");
  const { credentials, secrets } = it.open({ onlyLooks: true });
  const uses = [
    () => secrets.names(),
    () => secrets.set("a", "first-value"),
    () => credentials.change(ID, () => Promise.resolve(KEPT)),
  ];
  for (const use of uses) assertStringIncludes(await fail(use), "is of no use");
  assertEquals([await Deno.readTextFile(it.paths.vault), it.notes], ["not a vault", []]);
});

Deno.test("a vault of another key is put aside; one of a newer release is left alone", async () => {
  await using it = await rig();
  await it.open().secrets.set("a", "first-value");
  await Deno.writeTextFile(it.paths.vaultKey, new Uint8Array(32).toBase64());
  assertEquals(await it.open().secrets.names(), []);
  assertEquals(it.notes.length, 1);
  const header = btoa('{"alg":"dir","enc":"A256GCM","kid":"k","form":2,"place":"file"}').replaceAll("=", "");
  await Deno.writeTextFile(it.paths.vault, `${header}....`);
  assertStringIncludes(await fail(() => it.open().secrets.set("b", "second-value")), "update --check");
  assertEquals(await Deno.readTextFile(it.paths.vault), `${header}....`);
});

Deno.test("a lost key is said with what to do, and nothing is written until it is back", async () => {
  await using it = await rig();
  await it.open().secrets.set("a", "first-value");
  const [vault, key] = await Promise.all(
    [it.paths.vault, it.paths.vaultKey].map((path) => Deno.readTextFile(path)),
  );
  await Deno.remove(it.paths.vaultKey);
  const { secrets } = it.open();
  for (const act of [() => secrets.get("a"), () => secrets.set("b", "second-value"), () => secrets.names()]) {
    const message = await fail(act);
    assertStringIncludes(message, "which is gone; put it back");
    assertStringIncludes(message, `move ${it.paths.vault} away`);
  }
  assertEquals(await Deno.readTextFile(it.paths.vault), vault);
  assertEquals(it.names().includes("vault.key"), false);
  await Deno.writeTextFile(it.paths.vaultKey, key!, { mode: 0o600 });
  assertEquals(await secrets.get("a"), "first-value");
});

Deno.test("the key is in the keychain where there is one, and a locked one is no lost one", async () => {
  await using it = await rig();
  const keychain = new FakeKeychain();
  await it.open({ keychain }).secrets.set("a", "first-value");
  assertEquals(it.names(), ["vault.jwe", "vault.lock"]);
  assertEquals(keychain.items.size, 1);
  assertEquals(await it.open({ keychain }).secrets.get("a"), "first-value");
  keychain.isLocked = true;
  assertStringIncludes(await fail(() => it.open({ keychain }).secrets.get("a")), "it is locked; unlock it");
  assertStringIncludes(
    await fail(() => it.open().secrets.set("b", "second-value")),
    "the Secret Service, which is not there",
  );
  keychain.isLocked = false;
  keychain.items.clear();
  assertStringIncludes(
    await fail(() => it.open({ keychain }).secrets.get("a")),
    "was in the Secret Service, which is gone",
  );
  assertEquals(it.names(), ["vault.jwe", "vault.lock"]);
});

Deno.test("the key is in a file where the keychain is locked, or not to be used, and stays there", async () => {
  await using it = await rig();
  const keychain = new FakeKeychain();
  keychain.isLocked = true;
  await it.open({ keychain }).secrets.set("a", "first-value");
  assertEquals(it.names(), ["vault.jwe", "vault.key", "vault.lock"]);
  keychain.isLocked = false;
  await it.open({ keychain }).secrets.set("b", "second-value");
  assertEquals(await it.open().secrets.names(), ["a", "b"]);
  await using apart = await rig();
  await apart.open({ keychain, usesKeychain: false }).secrets.set("a", "first-value");
  assertEquals([apart.names().includes("vault.key"), keychain.items.size], [true, 0]);
});

Deno.test("a key file of the user's takes over with the next change, and is never replaced", async () => {
  await using it = await rig();
  const keyFile = `${it.dir.path}/given`;
  await it.open().secrets.set("a", "first-value");
  assertStringIncludes(
    await fail(() => it.open({ keyFile }).secrets.set("b", "second-value")),
    "openssl rand -base64 32",
  );
  await Deno.writeTextFile(keyFile, `${new Uint8Array(32).fill(7).toBase64()}\n`, { mode: 0o600 });
  assertEquals(await it.open({ keyFile }).secrets.get("a"), "first-value");
  await it.open({ keyFile }).secrets.set("b", "second-value");
  await Deno.remove(it.paths.vaultKey);
  assertEquals(await it.open({ keyFile }).secrets.names(), ["a", "b"]);
  assertStringIncludes(await fail(() => it.open().secrets.names()), "EXAI_VAULT_KEY_FILE=PATH");
  const vault = await Deno.readTextFile(it.paths.vault);
  await Deno.writeTextFile(keyFile, new Uint8Array(32).fill(8).toHex());
  assertStringIncludes(await fail(() => it.open({ keyFile }).secrets.names()), "another key");
  await Deno.writeTextFile(keyFile, "short");
  assertStringIncludes(await fail(() => it.open({ keyFile }).secrets.names()), "32 bytes in base64");
  assertEquals([await Deno.readTextFile(it.paths.vault), it.notes], [vault, []]);
});

Deno.test("a key that others can read is refused, with what to do", { ignore: !onUnix }, async () => {
  await using it = await rig();
  await it.open().secrets.set("a", "first-value");
  await Deno.chmod(it.paths.vaultKey, 0o644);
  await Deno.chmod(it.dir.path, 0o711);
  assertStringIncludes(await fail(() => it.open().secrets.names()), "chmod 600");
});

Deno.test("names and values of secrets that cannot be kept are refused", async () => {
  await using it = await rig();
  const { secrets } = it.open();
  for (const name of ["", "a b", "a}", "x".repeat(65), "a/b"]) {
    await fail(() => secrets.set(name, "value-of-it"));
  }
  for (const value of ["abc", "a\0bcdefgh", "x".repeat(70_000)]) await fail(() => secrets.set("a", value));
  assertEquals(it.names(), []);
});

Deno.test(
  "a change that cannot be written is not begun, and leaves the vault as it was",
  { ignore: !onUnix },
  async () => {
    await using it = await rig();
    const { credentials } = it.open();
    await credentials.change(ID, () => Promise.resolve(KEPT));
    // Stands for a full disk: the new text cannot be made.
    await Deno.mkdir(`${it.paths.vault}.tmp/full`, { recursive: true });
    let asked = 0;
    const message = await fail(() =>
      credentials.change(ID, () => {
        asked++;
        return Promise.resolve({ clients: {} });
      })
    );
    assertStringIncludes(message, "cannot be written");
    assertEquals(asked, 0);
    assertEquals(await credentials.read(ID), KEPT);
  },
);

Deno.test("a vault whose first key cannot be written says so", { ignore: !onUnix }, async () => {
  await using it = await rig();
  // Stands for a full disk.
  await Deno.mkdir(`${it.paths.vaultKey}.tmp/full`, { recursive: true });
  const message = await fail(() => it.open().secrets.set("a", "value-of-it"));
  assertStringIncludes(message, "cannot be written, nor its key in");
});

Deno.test("of tokens that follow one another the last are kept out of the logs, and lasting secrets for good", () => {
  registerSecret("canary-lasting");
  registerPassingSecret("canary-lasting");
  for (let n = 0; n < 2100; n++) registerPassingSecret(`canary-token-${n}-of-many`);
  assertEquals(redact("canary-token-0-of-many"), "canary-token-0-of-many");
  assertEquals(redact("canary-token-2099-of-many canary-token-200-of-many"), "[secret] [secret]");
  assertEquals(redact("canary-lasting"), "[secret]");
});
