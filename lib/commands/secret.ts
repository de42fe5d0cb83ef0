import { systemKeychain } from "../auth/system_keychain.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { ExaiError, UsageError } from "../base/errors.ts";
import { MINUTE_MS } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import { statePaths } from "../config/paths.ts";
import { checkNameOfSecret } from "../config/secrets.ts";
import type { Settings } from "../config/settings.ts";
import { openUserVault, type UserVault } from "../state/user_vault.ts";
import { placeTitle } from "../state/vault_key_text.ts";
import type { CommandGroup, CommandResult, Invocation } from "./command.ts";
import { readSecretValue } from "./secret_value.ts";
import { formatTable } from "./table.ts";

/** A reload may wait for a keychain, or for programs that give secrets. */
const RELOAD_MS = MINUTE_MS;

export const secretCommand: CommandGroup = {
  summary: "Keep secrets for ${secret:NAME} in mcp.json and exai.json, encrypted",
  about: [
    "Secrets are in the vault, an encrypted file of the state directory whose key is in the keychain of the system, or in " +
    "vault.key where there is none.",
    "A secret can also come from a program, such as a password manager: exai.json names those under secrets.",
  ],
  fallback: "list",
  actions: {
    set: {
      summary: "Keep a secret, or replace it",
      forms: [{
        args: "NAME",
        does:
          "asks for the value without showing it, or reads it from stdin; a running daemon uses it at once",
      }],
      wordTooMany:
        "a value is not taken from the command line, which your shell has kept now: delete it there, and change the " +
        "secret; exai-daemon secret set NAME asks for it, or reads it from stdin",
      run: set,
    },
    list: {
      summary: "List the names of all secrets, and where each is from",
      forms: [{ args: "", does: "the names of all secrets, and where each is from; never a value" }],
      run: list,
    },
    remove: {
      summary: "Delete a secret",
      forms: [{ args: "NAME", does: "deletes a secret; servers that need it stop with the next call" }],
      run: remove,
    },
    "move-key": {
      summary: "Move the key of the vault into the keychain or out of it, or into a file of yours",
      forms: [
        {
          args: "",
          does:
            "encrypts the vault with a new key where a new vault has it: in EXAI_VAULT_KEY_FILE, in the " +
            "keychain, or, with EXAI_KEYCHAIN=off, in vault.key",
        },
        { args: "--from FILE", does: "the same, where the key of before is in a file of yours" },
      ],
      flags: [{
        name: "from",
        value: "FILE",
        help: "The file with the key of the vault, where it is one of yours",
      }],
      run: moveKey,
    },
  },
};

function openVault(
  { vaultKeyFile: keyFile, keychain, ...settings }: Settings,
  notes: string[],
): UserVault {
  return openUserVault({
    paths: statePaths(settings),
    keyFile,
    keychain: systemKeychain(),
    usesKeychain: keychain === "auto",
    onQuarantine: (note) => notes.push(note),
  });
}

function nameIn({ args: [name], usage }: Invocation): string {
  if (name === undefined) throw new UsageError(`which secret? usage: ${usage}`);
  checkNameOfSecret(name);
  return name;
}

async function set(invocation: Invocation): Promise<CommandResult> {
  const name = nameIn(invocation);
  if (invocation.file?.secrets.has(name)) {
    throw new UsageError(
      `${name} comes from a program that exai.json names under secrets; remove it there first`,
    );
  }
  invocation.progress.end();
  const value = await readSecretValue(name);
  invocation.progress.step("secret set: the vault is written");
  const notes: string[] = [];
  const { secrets: store } = openVault(invocation.settings, notes);
  await store.set(name, value);
  const lines = [
    ...notes,
    `The secret ${name} is in ${store.place}; write \${secret:${name}} where it is needed.`,
  ];
  return { text: [...lines, ...await reload(invocation)].join("\n"), json: { name, place: store.place } };
}

async function list({ settings, file }: Invocation): Promise<CommandResult> {
  const notes: string[] = [];
  const { secrets: store } = openVault(settings, notes);
  const kept = (await store.names()).filter((name) => !file?.secrets.has(name));
  const found = [
    ...kept.map((name) => ({ name, from: store.place, program: undefined })),
    ...Array.from(
      file?.secrets ?? [],
      ([name, { command: [program] }]) => ({ name, from: "a program", program }),
    ),
  ].sort((a, b) => a.name < b.name ? -1 : 1);
  if (found.length === 0) {
    const text = [...notes, "There are no secrets; exai-daemon secret set NAME keeps one."].join("\n");
    return { text, json: { secrets: [] } };
  }
  const rows = found.map(({ name, from, program }) => [
    name,
    program === undefined ? from : visible(`${from}: ${program}`),
  ]);
  return { text: [...notes, formatTable(["SECRET", "FROM"], rows)].join("\n"), json: { secrets: found } };
}

async function remove(invocation: Invocation): Promise<CommandResult> {
  const name = nameIn(invocation);
  const notes: string[] = [];
  const { secrets: store } = openVault(invocation.settings, notes);
  if (!await store.remove(name)) {
    const where = invocation.file?.secrets.has(name)
      ? "it comes from a program that exai.json names under secrets"
      : "exai-daemon secret list shows all";
    throw new ExaiError("RESOURCE_NOT_FOUND", [...notes, `there is no secret ${name}; ${where}`].join("\n"));
  }
  const lines = [...notes, `The secret ${name} is deleted.`];
  return { text: [...lines, ...await reload(invocation)].join("\n"), json: { removed: name } };
}

async function moveKey(invocation: Invocation): Promise<CommandResult> {
  const notes: string[] = [];
  const from = invocation.options.get("from")?.at(-1);
  const moved = await openVault(invocation.settings, notes).moveKey(from);
  if (!moved) {
    const why = "there is no vault yet: the first secret or login makes one, and its key where it belongs";
    throw new ExaiError("RESOURCE_NOT_FOUND", [...notes, why].join("\n"));
  }
  const [before, to] = [placeTitle(moved.from), placeTitle(moved.to)];
  if (moved.from === moved.to) {
    return { text: `The key of the vault is in ${to} already.`, json: { ...moved } };
  }
  const said =
    `The vault is encrypted with a new key now, which is in ${to}; the one in ${before} is of no use any more.`;
  return { text: [said, ...await reload(invocation)].join("\n"), json: { ...moved } };
}

/** Has a running daemon use what is kept now; says what became of it. */
async function reload({ settings, progress }: Invocation): Promise<string[]> {
  progress.step("waiting for the daemon to read its configuration again");
  try {
    const change = await askDaemon(settings, "/reload", "POST", RELOAD_MS);
    const changed = [...change.added as string[], ...change.changed as string[]];
    if (changed.length === 0) return ["The running daemon has read its configuration again."];
    const names = changed.map((name) => visible(name)).join(", ");
    return [
      `The running daemon has read its configuration again; started anew when they are needed: ${names}.`,
    ];
  } catch (thrown) {
    if (!(thrown instanceof ExaiError)) throw thrown;
    if (thrown.code === "DAEMON_UNAVAILABLE") return [];
    return [
      `The running daemon has not read its configuration again (${thrown.message}); run exai-daemon reload.`,
    ];
  }
}
