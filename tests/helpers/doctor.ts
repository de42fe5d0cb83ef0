import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { doctor } from "../../lib/commands/doctor_run.ts";
import { placesOf } from "../../lib/config/client_places.ts";
import { defaultSettings } from "../../lib/config/load.ts";
import type { Settings } from "../../lib/config/settings.ts";
import { tempDir } from "./files.ts";
import { type ProgramOptions, runDaemon } from "./program.ts";

/** A finding as `exai-daemon doctor --json` shows it. */
interface ShownFinding {
  id: string;
  severity: "fault" | "warning";
  what: string;
  remedy: string;
  repairs: string[];
}

interface Diagnosis {
  ok: boolean;
  code: number;
  findings: ShownFinding[];
  mended: { id: string; repair: string; error?: string }[];
}

interface Shown {
  ok: boolean;
  checks: { check: string; findings: ShownFinding[] }[];
  mended: Diagnosis["mended"];
}

function diagnosisOf({ ok, checks, mended }: Shown, code: number): Diagnosis {
  return { ok, code, mended, findings: checks.flatMap(({ findings }) => findings) };
}

/** Runs the command in this process; the settings are the defaults and `settings`. */
export async function diagnose(
  settings: Partial<Settings> & { home: string },
  { fix = false, quick = true, waitS = 5 }: { fix?: boolean; quick?: boolean; waitS?: number } = {},
): Promise<Diagnosis> {
  const { json, code = 0 } = await doctor({
    settings: defaultSettings({ port: 0, ...settings }),
    own: new Map(),
    switches: new Set(["json", ...(fix ? ["fix"] : []), ...(quick ? ["quick"] : [])]),
    options: new Map([["wait", [String(waitS)]]]),
    args: [],
    usage: "doctor",
    commands: {},
    progress: { step() {}, end() {} },
    print: () => {},
  }, { places: placesOf({}, "linux", settings.home) });
  return diagnosisOf(json as Shown, code);
}

/** Variables by which a program finds no file of the user's clients. */
export function ownHome(home: string): Record<string, string> {
  const cache = Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "/", ".cache", "deno");
  return { HOME: home, USERPROFILE: home, XDG_CONFIG_HOME: "", DENO_DIR: cache };
}

/** Runs the program. */
export async function diagnoseByProgram(options: ProgramOptions): Promise<Diagnosis> {
  const { code, stdout, stderr } = await runDaemon({
    ...options,
    env: { ...ownHome(options.home ?? "/"), ...options.env },
    args: ["doctor", "--json", ...options.args ?? []],
  });
  assert(stdout.startsWith("{"), stdout + stderr);
  return diagnosisOf(JSON.parse(stdout), code);
}

/** The finding `id`, with what is wrong and what to do about it. */
export function finding({ findings }: Diagnosis, id: string): ShownFinding {
  const found = findings.find((one) => one.id === id);
  if (!found) throw new Error(`no ${id} in ${JSON.stringify(findings, null, 1)}`);
  assert(found.what.length > 10 && found.remedy.length > 3, JSON.stringify(found));
  return found;
}

/** A state directory of its own, private as the daemon makes it. */
export async function privateHome(files: Readonly<Record<string, string>> = {}) {
  const home = await tempDir(files);
  await Deno.chmod(home.path, 0o700);
  return home;
}

/** Finds `id`, mends it with `--fix`, and sees that it is gone. */
export async function assertMends(settings: Partial<Settings> & { home: string }, id: string): Promise<void> {
  const before = await diagnose(settings);
  const { repairs } = finding(before, id);
  assert(repairs.length > 0, `${id} has nothing that --fix does`);
  assertEquals(before.mended, [], "nothing is changed without --fix");
  const after = await diagnose(settings, { fix: true });
  const made = after.mended.filter((one) => one.id === id);
  assertEquals(made.map(({ error }) => error), repairs.map(() => undefined));
  assertEquals(after.findings.filter((one) => one.id === id), []);
}

/** Finds `id`, which only the user can mend: `--fix` leaves it as it is. */
export async function assertLeaves(
  settings: Partial<Settings> & { home: string },
  id: string,
): Promise<ShownFinding> {
  const after = await diagnose(settings, { fix: true });
  assertEquals(after.mended.filter((one) => one.id === id), []);
  const found = finding(after, id);
  assertEquals(after.code, found.severity === "fault" ? 1 : after.code);
  return found;
}
