import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { KeptCredentials } from "../lib/auth/credential_store.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { KIB, MIB } from "../lib/base/units.ts";
import { statePaths } from "../lib/config/paths.ts";
import { openUserVault } from "../lib/state/user_vault.ts";
import { Vault } from "../lib/state/vault.ts";
import { VaultKeys } from "../lib/state/vault_key.ts";
import { tempDir } from "./helpers/files.ts";

async function rig() {
  const dir = await tempDir({});
  const paths = statePaths({ home: dir.path });
  const keys = new VaultKeys({ vault: paths.vault, keyFile: paths.vaultKey });
  return {
    ...openUserVault({ paths }),
    text: () => Deno.readTextFile(paths.vault),
    /** Fills the vault up to this size. */
    fill: (bytes: number) =>
      new Vault({ paths, keys }).change((content) => ({
        ...content,
        secrets: { big: "x".repeat(bytes / 4 * 3 - 1000), small: "y" },
      })),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

const ID = { resource: "https://mcp.example/mcp", name: "default" };
const OTHER = { ...ID, name: "work" };

const account = (bytes: number) =>
  ({ clients: {}, discovery: { authorizationServerUrl: "x".repeat(bytes) } }) as unknown as KeptCredentials;

async function fail(work: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(work, ExaiError)).message;
}

Deno.test("a vault is never written that could not be read again", async () => {
  await using it = await rig();
  await it.fill(4 * MIB);
  const before = await it.text();
  assert(before.length <= 4 * MIB);
  const message = await fail(() => it.fill(4 * MIB + 4 * KIB));
  assertStringIncludes(message, "is left as it was: it would have 4.0 MiB, more than 4 MiB");
  assertStringIncludes(message, "2 secrets (3.0 MiB), the largest secrets big, small; remove");
  assertStringIncludes(message, "exai-daemon secret remove NAME");
  assertEquals(await it.text(), before);
  assertEquals(await it.secrets.remove("big"), true);
});

Deno.test("what is new leaves room for what is there already, such as tokens that are renewed", async () => {
  await using it = await rig();
  await it.credentials.change(ID, () => Promise.resolve(account(0)));
  await it.fill(3.5 * MIB);
  let asked = 0;
  const sign = () => it.credentials.change(OTHER, () => Promise.resolve(account(++asked)));
  assertStringIncludes(await fail(sign), "more than 3 MiB");
  assertEquals(asked, 0, "nothing is begun that cannot be kept");
  assertStringIncludes(await fail(() => it.secrets.set("more", "a value")), "more than 3 MiB");
  assertEquals(await it.credentials.change(ID, () => Promise.resolve(account(9))), account(9));
});

Deno.test("an account whose servers send too much is refused, and goes on as it was", async () => {
  await using it = await rig();
  const sign = (bytes: number) => it.credentials.change(ID, () => Promise.resolve(account(bytes)));
  await sign(1000);
  const message = await fail(() => sign(300 * KIB));
  assertStringIncludes(message, "the account default of https://mcp.example/mcp is not kept");
  assertStringIncludes(message, "of which discovery 300.0 KiB, and at most 256 KiB are");
  assertEquals(await it.credentials.read(ID), account(1000));
});
