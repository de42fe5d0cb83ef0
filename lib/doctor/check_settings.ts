import { formatFault } from "../config/config_fault.ts";
import { loadClientTls, loadServerTls } from "../config/tls.ts";
import { messageOf } from "../base/errors.ts";
import { checkExposure } from "../edge/exposure.ts";
import { configWarning, fault, type Finding, warning } from "./finding.ts";
import type { Installation } from "./installation.ts";
import { trustFinding } from "./trust_finding.ts";

const IN_FILE = "correct that place in exai.json; the daemon reads it when it starts";

/** Values that are not allowed, in the environment, the env file and `exai.json`. */
export function checkSettings({ faults, file, paths }: Installation): Promise<Finding[]> {
  const distrusted = trustFinding(paths.settings, paths);
  const inFile = distrusted
    ? [distrusted]
    : file.faults.map((found) => fault("settings-file", formatFault(found), IN_FILE));
  return Promise.resolve([
    ...faults.map((what) =>
      fault("setting-invalid", what, "correct the variable or the env file where it is set, or leave it out")
    ),
    ...inFile,
    ...file.warnings.map((found) => configWarning("settings-file-warning", found, IN_FILE)),
  ]);
}

/** What the daemon refuses to listen with: an address for other machines without protection, unusable certificates. */
export async function checkAccess({ settings }: Installation): Promise<Finding[]> {
  const found: Finding[] = [];
  try {
    checkExposure(settings);
  } catch (thrown) {
    found.push(fault("address-exposed", messageOf(thrown), "the daemon does not start before that"));
  }
  for (const load of [loadServerTls, loadClientTls]) {
    try {
      const tls = await load(settings);
      if (tls?.cert !== undefined) found.push(...await certificateFindings(tls.cert));
    } catch (thrown) {
      found.push(fault("tls-unusable", messageOf(thrown), "exai-daemon certs makes new ones"));
    }
  }
  return found;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const SOON_MS = 14 * DAY_MS;

async function certificateFindings(pem: string): Promise<Finding[]> {
  const { X509Certificate } = await import("node:crypto");
  try {
    const { subject, validFrom, validTo } = new X509Certificate(pem);
    if (Date.parse(validFrom) > Date.now() + DAY_MS) {
      const early = `the certificate of ${subject.replaceAll("\n", ", ")} is good from ${validFrom} on only`;
      return [fault("certificate-early", early, "see whether the clock of this machine is right")];
    }
    const leftMs = Date.parse(validTo) - Date.now();
    const what = `the certificate of ${subject.replaceAll("\n", ", ")} ` +
      `${leftMs < 0 ? "has expired" : "expires"} (${validTo})`;
    const remedy = "make a new one: exai-daemon certs; then start the daemon again";
    if (leftMs < 0) return [fault("certificate-expired", what, remedy)];
    return leftMs < SOON_MS ? [warning("certificate-expires", what, remedy)] : [];
  } catch (thrown) {
    return [fault("tls-unusable", `a certificate cannot be read: ${messageOf(thrown)}`, "exai-daemon certs")];
  }
}
