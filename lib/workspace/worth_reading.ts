import type { WhySkipped } from "./workspace.ts";

/** Why a file that nobody named is not shown to a model. */
type NotWorthReading = "secret" | "binary" | "generated" | "directory";

/** What {@linkcode NotWorthReading} means, for a note. */
export const NOT_WORTH_READING: Readonly<Record<NotWorthReading, WhySkipped>> = {
  secret: {
    reason: "a file of this name usually holds secrets; only one that is named itself is shown",
    kind: "secret",
  },
  binary: { reason: "not text, by its name", kind: "skipped" },
  generated: { reason: "generated, by its name", kind: "skipped" },
  directory: { reason: "in a directory of dependencies, build output or caches", kind: "skipped" },
};

/** Directories of dependencies, build output, caches and the state of tools. */
const SKIPPED_DIRS: ReadonlySet<string> = new Set([
  ".git",
  ".hg",
  ".svn",
  "node_modules",
  "bower_components",
  "vendor",
  "dist",
  "build",
  "out",
  "target",
  "coverage",
  ".next",
  ".nuxt",
  ".cache",
  ".venv",
  "venv",
  "__pycache__",
  ".mypy_cache",
  ".pytest_cache",
  ".tox",
  ".gradle",
  ".terraform",
  ".idea",
]);

/** Directories of credentials. */
const SECRET_DIRS: ReadonlySet<string> = new Set([".ssh", ".gnupg", ".aws", ".oci", ".kaggle"]);

/** Files with secrets whose names alone say nothing. */
const SECRET_PATHS =
  /(?:^|[/\\])(?:\.docker[/\\]config\.json|\.kube[/\\]config|gh[/\\]hosts\.yml|\.config[/\\]gcloud[/\\].*|\.m2[/\\]settings\.xml|\.azure[/\\](?:accessTokens|msal_token|service_principal)[^/\\]*)$/i;

const BINARY = new RegExp(
  String
    .raw`\.(?:png|jpe?g|gif|webp|bmp|ico|icns|tiff?|avif|heic|svgz|psd|mp[34]|m4[av]|wav|ogg|flac|webm|mov|avi|mkv|` +
    String
      .raw`pdf|docx?|xlsx?|pptx?|odt|ods|zip|gz|tgz|bz2|xz|zst|7z|rar|tar|jar|war|class|o|a|so|dylib|dll|exe|bin|` +
    String.raw`wasm|pyc|pyo|node|db|sqlite3?|woff2?|ttf|otf|eot)$`,
  "i",
);

const GENERATED =
  /(?:\.(?:min\.js|min\.css|map|lock|lockb)|(?:^|[/\\])(?:package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|go\.sum|packages\.lock\.json|gradle\.lockfile))$/i;

/** Names of examples of secret files, which hold none. */
const EXAMPLE = /(?:^|[.\-_])(?:example|sample|template|tmpl|dist|defaults?|schema)(?:\.[a-z]+)?$/i;

/** Whole names of files that usually hold secrets. */
const SECRET_NAMES = new RegExp(
  "^(?:" + [
    String.raw`\.env(?:[.\-_].*)?`,
    String.raw`\.envrc(?:\..*)?`,
    String.raw`[_.]netrc(?:\.gpg)?`,
    String
      .raw`\.(?:npmrc|yarnrc|pypirc|htpasswd|pgpass|my\.cnf|mylogin\.cnf|git-credentials|dockercfg|s3cfg|boto)`,
    String
      .raw`\.(?:vault-token|vault_pass|renviron|secrets?|passwd|credentials|[a-z]*sh_history|[a-z]*_history)`,
    String.raw`id_(?:rsa|dsa|ecdsa|ecdsa_sk|ed25519|ed25519_sk|xmss)(?:[.\-_].*)?`,
    String
      .raw`(?:(?:aws|gcp|google|azure|db)[_-])?\.?credentials(?:\.(?:json|ini|csv|toml|ya?ml|xml|properties|txt|db))?`,
    String
      .raw`(?:client[_-]?secrets?|service[_-]?account|application_default_credentials|(?:.*-)?adminsdk).*\.json`,
    String.raw`(?:gcp|google)[_-]key\.json|oauth_creds\.json|kaggle\.json|\.clasprc\.json|\.claude\.json`,
    String
      .raw`\.?(?:(?:api|access|auth)[_-]?)?token(?:\.(?:txt|json))?|\.?api[_-]?keys?(?:\.(?:txt|json))?`,
    String
      .raw`\.?(?:passphrase|privkey|private[_-]?key)(?:\.(?:txt|asc|der))?|private.*\.asc|cookies\.(?:txt|json)`,
    String
      .raw`(?:keystore|signing|key)\.properties|\.?terraform\.?rc|pgpass\.conf|\.?rclone\.conf|wg\d{1,3}\.conf`,
    String.raw`\.(?:e|m)?smtprc|\.fetchmailrc|\.vault_password|(?:filezilla|sitemanager|recentservers)\.xml`,
    String.raw`(?:.*[.\-_])?secrets?\.(?:json5?|ya?ml|toml|ini|env|properties|txt|xml|tfvars)`,
    String.raw`passwords?\.(?:json|ya?ml|toml|ini|txt|csv)`,
    String.raw`kubeconfig(?:\..*)?|local\.settings\.json|auth\.json|htpasswd|shadow|sftp-config\.json`,
    String.raw`secring\..*|wallet\.dat|.*\.auto\.tfvars\.json`,
  ].join("|") + ")$",
  "i",
);

/** Ends of names of files that usually hold secrets. */
const SECRET_ENDS =
  /\.(?:env|pem|key|p8|p12|pfx|pkcs12|pk8|jks|jceks|bks|keystore|keytab|ppk|kdbx?|agekey|gpg|pgp|ovpn|jwk|tfvars(?:\.json)?|tfstate(?:\.\d+)?|mobileprovision)$/i;

/**
 * Why the file `path` is not shown to a model unless somebody names it; undefined when it is. `path` begins with the
 * directory that was listed: that one may be of build output, which somebody wants to see, but not of credentials.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { notWorthReading } from "./worth_reading.ts";
 *
 * assertEquals(notWorthReading("deploy/.env.production"), "secret");
 * assertEquals(notWorthReading("deploy/.env.example"), undefined);
 * ```
 */
export function notWorthReading(path: string, directory = ""): NotWorthReading | undefined {
  if (usuallyHoldsSecrets(path)) return "secret";
  if (BINARY.test(path)) return "binary";
  if (GENERATED.test(path)) return "generated";
  const below = path.slice(directory.length).split(/[/\\]/).slice(0, -1);
  return below.some(isSkippedDirectory) ? "directory" : undefined;
}

/** Whether a file of this name usually holds secrets. */
export function usuallyHoldsSecrets(path: string): boolean {
  const parts = path.split(/[/\\]/);
  const name = parts.pop()!;
  if (SECRET_PATHS.test(path) || parts.some((part) => SECRET_DIRS.has(part.toLowerCase()))) return true;
  return [name, withoutCopySigns(name)].some((one) => SECRET_NAMES.test(one) || SECRET_ENDS.test(one)) &&
    !EXAMPLE.test(name) && !/\.pub$/i.test(name);
}

/**
 * Whether `path`, as somebody named it, is a link with a harmless name to `target`, which usually holds secrets: nobody
 * decided to show that.
 */
export function isLinkToSecret(path: string, target: string): boolean {
  return usuallyHoldsSecrets(target) && !usuallyHoldsSecrets(path);
}

/** What editors, people and programs add to the name of a file that they copy or keep. */
const COPY_SIGN =
  /(?:~|[.\-_ ](?:bak|backup|old|orig|save|saved|swp|swo|tmp|copy|disabled|rej)\d{0,3}| ?\(\w{1,10}\)|\.\d{1,14})$/i;
const MAX_COPY_SIGNS = 3;

/** The name that `name` is a copy of: `server.pem.bak` is one of `server.pem`. */
function withoutCopySigns(name: string): string {
  // The file that Vim keeps while it edits begins with a dot.
  let original = name.replace(/^\.(.+\.sw[a-p])$/i, "$1").replace(/\.sw[a-p]$/i, "");
  for (let i = 0; i < MAX_COPY_SIGNS; i++) original = original.replace(COPY_SIGN, "");
  // A key that somebody could not attach otherwise.
  return original.replace(/(\.(?:pem|key|p12|pfx|env))\.txt$/i, "$1");
}

/** Whether nothing in a directory of this name is shown unless it is named. */
export function isSkippedDirectory(name: string): boolean {
  // A bare repository has its objects in it.
  return SKIPPED_DIRS.has(name) || SECRET_DIRS.has(name.toLowerCase()) || /.\.git$/i.test(name);
}
