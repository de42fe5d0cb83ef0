import { join } from "@std/path";
import { ExaiError, UsageError } from "../base/errors.ts";
import { statePaths } from "../config/paths.ts";
import { readRegularFile } from "../config/regular_file.ts";
import type { Settings } from "../config/settings.ts";
import type { CertificateAndKey, CertificateAuthority } from "../edge/certificates.ts";
import { ensureStateDir, writePrivateFile } from "../state/state_files.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";

export const certsCommand: Action = {
  summary: "Make a local CA and certificates for TLS",
  forms: [
    { args: "[HOST...]", does: "makes a CA, once, and certificates of the daemon and of a client" },
    { args: "client NAME", does: "makes a certificate of one more client" },
  ],
  run: certs,
};

const ALWAYS = ["localhost", "127.0.0.1", "::1"];
const FILE_NAME = /^[A-Za-z0-9][\w.-]{0,62}$/;
const HOST = /^[A-Za-z0-9:][A-Za-z0-9.:-]*$/;

/**
 * Makes the user's certificate authority unless there is one, and with it new certificates.
 *
 * @throws {UsageError} for a name that cannot be one
 * @throws {ExaiError} `CONFIG` for a file that cannot be used
 */
async function certs({ args, settings, usage }: Invocation): Promise<CommandResult> {
  const paths = statePaths(settings);
  await ensureStateDir(paths);
  await Deno.mkdir(paths.certs, { recursive: true, mode: 0o700 });
  if (args[0] === "client") return await makeClient(paths.certs, args.slice(1), usage);
  return await makeAll(paths.certs, [...args, ...ALWAYS, ...hostsOf(settings)], usage);
}

function hostsOf({ host, allowedHosts }: Settings): string[] {
  const everywhere = ["0.0.0.0", "::"];
  return [host, ...allowedHosts.map((name) => name.replace(/:\d+$/, ""))].filter((name) =>
    !everywhere.includes(name)
  );
}

async function makeAll(dir: string, hosts: readonly string[], usage: string): Promise<CommandResult> {
  const names = [...new Set(hosts)];
  const wrong = names.find((name) => !HOST.test(name));
  if (wrong !== undefined) {
    throw new UsageError(
      `${JSON.stringify(wrong)} is no host name or address; ${usage}`,
    );
  }
  const { authority, made } = await authorityIn(dir);
  const { issueCertificate } = await import("../edge/certificates.ts");
  await save(dir, "server", await issueCertificate(authority, { hosts: names }));
  await save(dir, "client", await issueCertificate(authority, { client: "client" }));
  const text = [
    made
      ? `Made a certificate authority, and certificates of the daemon and of a client, in ${dir}`
      : `Made new certificates of the daemon and of a client, by the authority there was, in ${dir}`,
    `  names    ${names.join(", ")}`,
    "",
    "The daemon speaks TLS with these settings, and lets in only clients that show a certificate with the third:",
    `  EXAI_TLS_CERT=${join(dir, "server.pem")}`,
    `  EXAI_TLS_KEY=${join(dir, "server.key")}`,
    `  EXAI_TLS_CLIENT_CA=${join(dir, "ca.pem")}`,
    "",
    ...clientSettings(dir, "client"),
    "",
    `Who has ${join(dir, "ca.key")} can make certificates that are trusted: it stays on this machine.`,
  ].join("\n");
  return {
    text,
    json: { directory: dir, new_authority: made, hosts: names, files: filesOf(dir, "server", "client") },
  };
}

async function makeClient(
  dir: string,
  [name, ...rest]: readonly string[],
  usage: string,
): Promise<CommandResult> {
  const reserved = ["ca", "server"];
  if (name === undefined || rest.length > 0 || !FILE_NAME.test(name) || reserved.includes(name)) {
    throw new UsageError(
      `a client needs one name of letters, digits and . _ -; ${usage}`,
    );
  }
  const { authority } = await authorityIn(dir);
  const { issueCertificate } = await import("../edge/certificates.ts");
  await save(dir, name, await issueCertificate(authority, { client: name }));
  const text = [`Made a certificate of the client ${name} in ${dir}`, "", ...clientSettings(dir, name)];
  return { text: text.join("\n"), json: { directory: dir, files: filesOf(dir, name) } };
}

function filesOf(dir: string, ...names: readonly string[]): string[] {
  return ["ca.pem", ...names.flatMap((name) => [`${name}.pem`, `${name}.key`])].map((file) =>
    join(dir, file)
  );
}

function clientSettings(dir: string, name: string): string[] {
  return [
    "The shim, and exai-daemon's commands, connect with:",
    `  EXAI_TLS_CA=${join(dir, "ca.pem")}`,
    `  EXAI_TLS_CLIENT_CERT=${join(dir, `${name}.pem`)}`,
    `  EXAI_TLS_CLIENT_KEY=${join(dir, `${name}.key`)}`,
  ];
}

/** The authority stored in `dir`, created if there is none. */
async function authorityIn(dir: string): Promise<{ authority: CertificateAuthority; made: boolean }> {
  const { createAuthority, importAuthority } = await import("../edge/certificates.ts");
  const kept = await load(dir, "ca");
  if (kept) return { authority: await importAuthority(kept), made: false };
  const fresh = await createAuthority("EXAI local CA");
  await save(dir, "ca", fresh);
  return { authority: await importAuthority(fresh), made: true };
}

async function load(dir: string, name: string): Promise<CertificateAndKey | undefined> {
  const read = (suffix: string) =>
    readRegularFile(join(dir, `${name}.${suffix}`)).catch((thrown) => {
      if (thrown instanceof Deno.errors.NotFound) return undefined;
      throw thrown;
    });
  const [cert, key] = [await read("pem"), await read("key")];
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === undefined && key === undefined) return undefined;
  const missing = cert === undefined ? "pem" : "key";
  throw new ExaiError("CONFIG", `${join(dir, `${name}.${missing}`)} is missing; remove the other half too`);
}

async function save(dir: string, name: string, { cert, key }: CertificateAndKey): Promise<void> {
  await writePrivateFile(join(dir, `${name}.key`), key);
  await writePrivateFile(join(dir, `${name}.pem`), cert);
}
