import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { KeychainError } from "../../lib/auth/keychain.ts";
import { MacosKeychain } from "../../lib/auth/keychains/macos_keychain.ts";
import { tempDir } from "../helpers/files.ts";

const USER = fromFileUrl(new URL("../fixtures/keychain_user.ts", import.meta.url));
const UNLOCK = "printf pw | gnome-keyring-daemon --unlock --components=secrets >&2";

/** Whether this machine has a Secret Service that a test can start. */
const hasSecretService = Deno.build.os === "linux" &&
  ["secret-tool", "gnome-keyring-daemon", "dbus-run-session"].every((name) =>
    (Deno.env.get("PATH") ?? "").split(":").some((dir) => isThere(`${dir}/${name}`))
  );

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Runs a script in a session of its own, which has no display; gives what it prints last. */
async function inSession(home: string, script: string): Promise<string> {
  const env = { PATH: Deno.env.get("PATH")!, HOME: home, DENO_DIR: Deno.env.get("DENO_DIR") ?? "" };
  const { stdout } = await new Deno.Command("dbus-run-session", {
    args: ["--", "sh", "-c", script],
    env: env.DENO_DIR === ""
      ? { PATH: env.PATH, HOME: home, DENO_DIR: `${Deno.env.get("HOME")}/.cache/deno` }
      : env,
    clearEnv: true,
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout).trim().split("\n").at(-1) ?? "";
}

const useIt = (home: string, ...more: string[]) =>
  `"${Deno.execPath()}" run -A --no-check "${USER}" "${home}" ${more.join(" ")}`;

Deno.test(
  "the key of a vault is in the Secret Service of a desktop",
  { ignore: !hasSecretService },
  async () => {
    await using user = await tempDir({});
    await using home = await tempDir({});
    const found = JSON.parse(await inSession(user.path, `${UNLOCK}; ${useIt(home.path)}`));
    assertEquals(found, {
      title: "the Secret Service",
      before: null,
      kept: "second-Ünicode_-",
      removed: [true, false],
      after: null,
      secret: "canary-value",
      files: ["vault.jwe", "vault.lock"],
      place: "secret-service",
    });
  },
);

Deno.test("a locked Secret Service is said to be locked, not the key to be lost", {
  ignore: !hasSecretService,
}, async () => {
  await using user = await tempDir({});
  await using home = await tempDir({});
  await inSession(user.path, `${UNLOCK}; ${useIt(home.path, "keep")}`);
  const { fault } = JSON.parse(await inSession(user.path, useIt(home.path, "read")));
  assertStringIncludes(fault, "has its key in the Secret Service, and it is locked; unlock it");
  const { secret } = JSON.parse(await inSession(user.path, `${UNLOCK}; ${useIt(home.path, "read")}`));
  assertEquals(secret, "canary-value");
});

Deno.test("without a Secret Service, the key is in a file", { ignore: !hasSecretService }, async () => {
  await using user = await tempDir({});
  await using home = await tempDir({});
  const found = JSON.parse(await inSession(user.path, `unset DBUS_SESSION_BUS_ADDRESS; ${useIt(home.path)}`));
  assertEquals([found.place, found.secret], ["file", "canary-value"]);
  assertEquals(found.files, ["vault.jwe", "vault.key", "vault.lock"]);
});

Deno.test(
  "the Windows Credential Manager keeps the key of a vault",
  { ignore: Deno.build.os !== "windows" },
  async () => {
    await using home = await tempDir({});
    const args = ["run", "-A", "--no-check", USER, home.path];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).output();
    const found = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals([found.before, found.kept, found.removed, found.after], [
      null,
      "second-Ünicode_-",
      [true, false],
      null,
    ]);
    assertEquals([found.place, found.secret], ["windows-credentials", "canary-value"]);
  },
);

Deno.test("the macOS Keychain is given values on stdin, and its refusals are told apart", {
  ignore: Deno.build.os === "windows",
}, async () => {
  // Stands for `security`, which is on a Mac alone: its exit codes are those of its manual.
  await using dir = await tempDir({
    security: `#!/bin/sh
echo "$@" >> "$0.args"
case "$1 $5" in
  "-i "*) cat >> "$0.stdin" ;;
  "find-generic-password there") echo value-of-it ;;
  "find-generic-password locked") echo "security: User interaction is not allowed." >&2; exit 36 ;;
  *) exit 44 ;;
esac
`,
  });
  await Deno.chmod(`${dir.path}/security`, 0o700);
  const keychain = new MacosKeychain({ program: `${dir.path}/security` });
  await keychain.set("there", "canary-value");
  assertStringIncludes(
    await Deno.readTextFile(`${dir.path}/security.stdin`),
    "-a there -l EXAI -w canary-value\n",
  );
  assertEquals([await keychain.get("there"), await keychain.get("gone")], ["value-of-it", undefined]);
  assert(!(await Deno.readTextFile(`${dir.path}/security.args`)).includes("canary"));
  await assertRejects(() => keychain.get("locked"), KeychainError, "unlock it");
  await assertRejects(() => keychain.set("there", "a value; with words"), KeychainError);
});
