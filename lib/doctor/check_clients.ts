import { isAbsolute } from "@std/path";
import { CLIENTS } from "../adopt/clients.ts";
import { type ClientEntry, findFiles } from "../adopt/find.ts";
import { ownEntryKind } from "../adopt/own_entry.ts";
import { type ClientReading, type LeftFile, readClientFile } from "../adopt/read.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { convertEntry } from "../config/entry_shapes.ts";
import { isFile } from "../config/path_kind.ts";
import type { ServersFile } from "../config/servers.ts";
import { SETTINGS } from "../config/settings.ts";
import { shimCommand } from "../config/shim_program.ts";
import { adviceOnUnused, DAEMON_ONLY } from "../config/unused_settings.ts";
import { fault, type Finding, warning } from "./finding.ts";
import type { Installation } from "./installation.ts";

/** The configurations of editors and agents of this user: whether what they start is there, and is this EXAI. */
export async function checkClients(
  installation: Installation,
  servers: Promise<ServersFile>,
): Promise<Finding[]> {
  const found = await findFiles({ places: installation.places, projects: [], clients: CLIENTS });
  const files = await Promise.all(found.map(readClientFile));
  const mounted = [...(await servers).servers.keys()];
  const findings = await Promise.all(
    files.map((file) =>
      "reason" in file ? [unreadable(file)] : readingFindings(file, { installation, mounted })
    ),
  );
  return findings.flat();
}

function unreadable({ found: { client, path }, reason }: LeftFile): Finding {
  return warning(
    "client-file",
    `the configuration of ${client.title} cannot be read: ${path} ${reason}`,
    `correct that place, or ${client.title} and exai-daemon adopt leave it out`,
  );
}

interface Around {
  installation: Installation;
  /** The names of the servers in `mcp.json`. */
  mounted: readonly string[];
}

async function readingFindings(reading: ClientReading, around: Around): Promise<Finding[]> {
  const { settings: { port } } = around.installation;
  const { client } = reading.found;
  const own = { shim: shimCommand(), port };
  const isOwn = ({ value }: ClientEntry) => ownEntryKind(value, client.dialect, own) !== undefined;
  const entries = reading.entries.filter(isOwn);
  const found = await Promise.all(entries.map((entry) => entryFindings(entry, reading, around.installation)));
  return [...found.flat(), ...doubled(reading, { ...around, own: entries })];
}

/** Servers that a client starts beside the entry by which it has them from EXAI. */
function doubled(
  { found: { client, path }, entries }: ClientReading,
  { mounted, own }: Around & { own: readonly ClientEntry[] },
): Finding[] {
  const double = entries.filter((entry) =>
    !own.includes(entry) && mounted.includes(entry.name) && isOn(entry)
  );
  if (own.length === 0 || double.length === 0) return [];
  const names = double.map(({ name }) => name).join(", ");
  return [warning(
    "client-doubles",
    `${client.title} has its servers from EXAI and starts ${names} once more by itself (${path})`,
    "exai-daemon adopt takes these entries out, and exai-daemon adopt --dry-run shows how",
  )];
}

function isOn({ value }: ClientEntry): boolean {
  return isObject(value) && value.disabled !== true && value.enabled !== false;
}

/** What is wrong with an entry that starts EXAI. */
async function entryFindings(
  { name, value }: ClientEntry,
  { found: { client, path } }: ClientReading,
  { paths }: Installation,
): Promise<Finding[]> {
  const { entry: { command, args, env } } = convertEntry(value as JsonObject, client.dialect);
  const where = `"${name}" of ${client.title} (${path})`;
  const words = [command, ...(Array.isArray(args) ? args : [])].filter((word) => typeof word === "string");
  const programs = words.filter((word) => isAbsolute(word) && /(?:shim|deno|daemon)(?:\.\w+)?$/i.test(word));
  const missing = await firstMissing(programs);
  const shim = shimCommand();
  const variables = isObject(env) ? env : {};
  const unused = DAEMON_ONLY.filter((setting) => variables[SETTINGS[setting].env] !== undefined);
  const advice = adviceOnUnused(unused, paths.settings);
  const home = variables.EXAI_HOME;
  return [
    ...(missing === undefined ? [] : [fault(
      "client-program-missing",
      `${where} starts ${missing}, which is not there`,
      // adopt leaves entries of EXAI as they are.
      `write where exai-shim is now: ${[shim.command, ...shim.args].join(" ")}`,
    )]),
    ...(unused.length === 0 ? [] : [warning("client-settings", `${where}: ${advice.cause}`, advice.advice)]),
    ...(typeof home === "string" && home !== "" && home !== paths.home
      ? [warning(
        "client-other-home",
        `${where} uses another daemon: its EXAI_HOME is ${home}, and here it is ${paths.home}`,
        "take EXAI_HOME out of the entry, or run exai-daemon doctor with that home",
      )]
      : []),
  ];
}

async function firstMissing(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (!await isFile(path)) return path;
  }
  return undefined;
}
