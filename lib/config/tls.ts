import { ExaiError, messageOf } from "../base/errors.ts";
import type { Settings } from "./settings.ts";
import { readRegularFile } from "./regular_file.ts";
import { whyUntrusted } from "./trust.ts";

/** The PEM texts of a TLS server. */
interface ServerTls {
  cert: string;
  key: string;
  /** The CA of client certificates; undefined: clients need none. */
  clientCa?: string;
}

/** The PEM texts of a TLS client, as options of `Deno.createHttpClient`. */
export interface ClientTls {
  caCerts?: string[];
  cert?: string;
  key?: string;
}

const OTHERS = 0o077;

/** The value of `EXAI_TLS_CA` that means the certificate authorities this system trusts. */
const SYSTEM = "system";

/**
 * The daemon's certificate and key; undefined where the settings name none.
 *
 * @throws {ExaiError} `CONFIG`, naming the setting: half of a pair, a file that cannot be read or is not PEM, a key
 * others can read
 */
export async function loadServerTls(
  settings: Pick<Settings, "tlsCert" | "tlsKey" | "tlsClientCa">,
): Promise<ServerTls | undefined> {
  const { tlsCert, tlsKey, tlsClientCa } = settings;
  checkPair(["EXAI_TLS_CERT", tlsCert], ["EXAI_TLS_KEY", tlsKey]);
  if (tlsCert === "") {
    if (tlsClientCa === "") return undefined;
    throw new ExaiError("CONFIG", "EXAI_TLS_CLIENT_CA is of no use without EXAI_TLS_CERT and EXAI_TLS_KEY");
  }
  return {
    cert: await readPem("EXAI_TLS_CERT", tlsCert),
    key: await readKey("EXAI_TLS_KEY", tlsKey),
    ...(tlsClientCa ? { clientCa: await readPem("EXAI_TLS_CLIENT_CA", tlsClientCa) } : {}),
  };
}

/**
 * The TLS options of a client; undefined when no setting asks for TLS.
 *
 * @throws {ExaiError} `CONFIG`, as above
 */
export async function loadClientTls(
  settings: Pick<Settings, "tlsCa" | "tlsClientCert" | "tlsClientKey">,
): Promise<ClientTls | undefined> {
  const { tlsCa, tlsClientCert, tlsClientKey } = settings;
  checkPair(["EXAI_TLS_CLIENT_CERT", tlsClientCert], ["EXAI_TLS_CLIENT_KEY", tlsClientKey]);
  if (tlsCa === "" && tlsClientCert === "") return undefined;
  return {
    ...(tlsCa && tlsCa !== SYSTEM ? { caCerts: [await readPem("EXAI_TLS_CA", tlsCa)] } : {}),
    ...(tlsClientCert
      ? {
        cert: await readPem("EXAI_TLS_CLIENT_CERT", tlsClientCert),
        key: await readKey("EXAI_TLS_CLIENT_KEY", tlsClientKey),
      }
      : {}),
  };
}

function checkPair([name, value]: [string, string], [otherName, otherValue]: [string, string]): void {
  if ((value === "") === (otherValue === "")) return;
  const [there, missing] = value === "" ? [otherName, name] : [name, otherName];
  throw new ExaiError("CONFIG", `${there} is set and ${missing} is not; both are needed`);
}

async function readKey(name: string, path: string): Promise<string> {
  const text = await readPem(name, path);
  const { mode } = await Deno.stat(path);
  if (Deno.build.os === "windows" || mode === null || (mode & OTHERS) === 0) return text;
  throw new ExaiError(
    "CONFIG",
    `${name}: other users can read the key in ${path}; close it: chmod 600 ${path}`,
  );
}

async function readPem(name: string, path: string): Promise<string> {
  const distrust = whyUntrusted(path);
  if (distrust !== undefined) throw new ExaiError("CONFIG", `${name}: ${path} is not used: ${distrust}`);
  let text: string;
  try {
    text = await readRegularFile(path);
  } catch (thrown) {
    throw new ExaiError("CONFIG", `${name}: ${path} cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
  if (text.includes("-----BEGIN ")) return text;
  throw new ExaiError("CONFIG", `${name}: ${path} holds no PEM: there is no line -----BEGIN ...-----`);
}
