import { access, constants } from "node:fs/promises";
import { dirname, isAbsolute, join } from "@std/path";
import { messageOf } from "../base/errors.ts";
import { quoteForShell } from "../base/text.ts";
import { isAlive } from "../state/live_process.ts";
import { isThere } from "../config/path_kind.ts";
import { findDistrust, othersCanRead } from "../config/trust.ts";
import { holdsOnlyOurFiles } from "../state/state_files.ts";
import { fault, type Finding, type Repair, warning } from "./finding.ts";
import type { Installation } from "./installation.ts";

const OTHERS = 0o077;
const PRIVATE_DIR = 0o700;
const PRIVATE_FILE = 0o600;
/** An empty file can be made on a disk that is full, or where a quota is used up. */
const PROBE_CHARS = 4096;
const ELSEWHERE = "set EXAI_HOME (--home) to another directory";

/** A temporary file of `writePrivateFile`: `NAME.PID.N.tmp`. */
const TEMPORARY = /\.(\d+)\.\d+\.tmp$/;

/** The state directory: whether it can be used, whether others can look into it, what was left in it. */
export async function checkHome(installation: Installation): Promise<Finding[]> {
  const { home } = installation.paths;
  if (!isAbsolute(home)) {
    const what = `the state directory is ${home}, below whatever directory a program is started in`;
    return [
      fault("home-relative", what, "write a whole path into EXAI_HOME, or set HOME to your home directory"),
    ];
  }
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(home);
  } catch (thrown) {
    if (!(thrown instanceof Deno.errors.NotFound)) return [unusable(home, messageOf(thrown))];
    return await whyNotMade(home);
  }
  if (!info.isDirectory) return [unusable(home, "it is no directory")];
  const found = [...await ownerFindings(installation, info), ...await writeFindings(home)];
  return [...found, ...await leftovers(installation), ...await exposedFiles(installation)];
}

function unusable(home: string, why: string): Finding {
  return fault("home-unusable", `the state directory ${home} cannot be used: ${why}`, ELSEWHERE);
}

/** The daemon makes the directory, where it may write to the one around it. */
async function whyNotMade(home: string): Promise<Finding[]> {
  let around = dirname(home);
  while (dirname(around) !== around && !await isThere(around)) around = dirname(around);
  try {
    if (!(await Deno.stat(around)).isDirectory) return [unusable(home, `${around} is no directory`)];
    await access(around, constants.W_OK);
    return [];
  } catch {
    return [unusable(home, `it is not there, and you may not write to ${around}`)];
  }
}

async function ownerFindings({ paths }: Installation, info: Deno.FileInfo): Promise<Finding[]> {
  const { home } = paths;
  if (Deno.build.os === "windows" || info.mode === null) return [];
  if (info.uid !== Deno.uid()) {
    const what = `the state directory ${home} belongs to user ${info.uid}, and you are user ${Deno.uid()}`;
    return [
      fault("home-foreign", what, `sudo chown -R ${Deno.uid()} ${quoteForShell(home)}, or ${ELSEWHERE}`),
    ];
  }
  const around = findDistrust(home, { around: true });
  if (around) {
    return [fault("home-untrusted", `the state directory ${home} is not safe: ${around.why}`, ELSEWHERE)];
  }
  if ((info.mode & OTHERS) === 0) return [];
  const shown = (info.mode & 0o777).toString(8);
  if (await holdsOnlyOurFiles(paths)) {
    const what = `the state directory ${home} is open to other users (mode ${shown})`;
    return [
      warning("home-open", what, `chmod 700 ${quoteForShell(home)}`, {
        kind: "chmod",
        path: home,
        mode: PRIVATE_DIR,
      }),
    ];
  }
  const what =
    `the state directory ${home} is open to other users (mode ${shown}) and holds files that are not EXAI's`;
  return [
    fault(
      "home-shared",
      what,
      `${ELSEWHERE}; if nobody else uses this one, chmod 700 ${quoteForShell(home)}`,
    ),
  ];
}

async function writeFindings(home: string): Promise<Finding[]> {
  const path = join(home, `doctor.${Deno.pid}.0.tmp`);
  try {
    await Deno.writeTextFile(path, "x".repeat(PROBE_CHARS), { createNew: true, mode: PRIVATE_FILE });
    await Deno.remove(path);
    return [];
  } catch (thrown) {
    const what = `nothing can be written to the state directory ${home}: ${messageOf(thrown)}`;
    await Deno.remove(path).catch(() => {});
    return [fault("home-not-writable", what, `make it writable to you, or ${ELSEWHERE}`)];
  }
}

/** Temporary files of processes that have ended while they wrote, and the address of a daemon that is gone. */
async function leftovers({ paths, daemon }: Installation): Promise<Finding[]> {
  const names: string[] = await Array.fromAsync(Deno.readDir(paths.home), ({ name }) => name).catch(() => []);
  const dead: string[] = [];
  for (const name of names) {
    const [, pid] = TEMPORARY.exec(name) ?? [];
    if (pid !== undefined && !await isAlive(Number(pid))) dead.push(name);
  }
  const repairs = dead.map((name): Repair => ({ kind: "remove", path: join(paths.home, name) }));
  const found = dead.length === 0 ? [] : [warning(
    "leftover-files",
    `${dead.length} unfinished files of processes that have ended are in ${paths.home}: ${dead.join(", ")}`,
    "remove them",
    ...repairs,
  )];
  if ((await daemon).is !== "stopped" || !names.includes("daemon.json")) return found;
  const what =
    `${paths.endpoint} names a daemon that has ended, and another program may have its port by now`;
  return [...found, warning("stale-address", what, "remove it", { kind: "remove", path: paths.endpoint })];
}

/** The token and the keys of certificates, where other users can read them. */
async function exposedFiles({ paths, settings }: Installation): Promise<Finding[]> {
  const keys = await Array.fromAsync(Deno.readDir(paths.certs), ({ name }) => join(paths.certs, name))
    .catch(() => []);
  const secret = [paths.token, paths.stateKey, ...keys.filter((name) => name.endsWith(".key"))];
  const open = secret.filter((path) => othersCanRead(path));
  return open.map((path) => {
    const isToken = path === paths.token && settings.token === "auto";
    const remedy = `chmod 600 ${quoteForShell(path)}${isToken ? " && exai-daemon token rotate" : ""}`;
    const what = `${path} is a secret, and other users can read it`;
    return warning("file-readable", what, remedy, { kind: "chmod", path, mode: PRIVATE_FILE });
  });
}
