import { assertEquals, assertStringIncludes } from "@std/assert";
import { defaultSettings } from "../lib/config/load.ts";
import { statePaths } from "../lib/config/paths.ts";
import { readSettingsFile } from "../lib/config/settings_file.ts";
import { checkVault } from "../lib/doctor/check_vault.ts";
import type { Installation } from "../lib/doctor/installation.ts";
import { openUserVault } from "../lib/state/user_vault.ts";
import { assertLeaves, diagnose, privateHome } from "./helpers/doctor.ts";

Deno.test("doctor: a vault whose key is lost, or that is damaged, which is left as it is", async () => {
  await using home = await privateHome();
  const paths = statePaths({ home: home.path });
  await openUserVault({ paths }).secrets.set("a", "first-value");
  assertEquals((await diagnose({ home: home.path })).findings, []);
  await Deno.remove(paths.vaultKey);
  const lost = await assertLeaves({ home: home.path }, "vault-unreadable");
  assertStringIncludes(lost.what, "which is gone; put it back");
  await Deno.writeTextFile(paths.vault, "garbage");
  assertStringIncludes((await assertLeaves({ home: home.path }, "vault-unreadable")).what, "is of no use");
  assertEquals(await Deno.readTextFile(paths.vault), "garbage");
});

Deno.test("doctor: a secret that is kept and never used, as a program gives it", async () => {
  const secrets = { github: { command: ["op", "read", "op://x"] } };
  await using home = await privateHome({ "exai.json": JSON.stringify({ secrets }) });
  const settings = defaultSettings({ home: home.path });
  const paths = statePaths(settings);
  await openUserVault({ paths }).secrets.set("github", "first-value");
  const file = await readSettingsFile(paths.settings, {});
  const [found] = await checkVault({ paths, settings, file } as unknown as Installation);
  assertEquals([found?.id, found?.severity], ["secrets-hidden", "warning"]);
  assertStringIncludes(found!.what, "github");
});
