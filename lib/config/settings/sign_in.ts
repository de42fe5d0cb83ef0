import { oneOf, setting, text, textIf } from "../setting.ts";

/** How servers are signed in to, and where tokens and secrets are kept. */
export const SIGN_IN_SETTINGS = {
  vaultKeyFile: text({
    env: "EXAI_VAULT_KEY_FILE",
    help:
      "File with the key of the vault, 32 bytes in base64 (openssl rand -base64 32); empty: in the system's keychain, or in vault.key",
  }),
  keychain: oneOf(
    {
      env: "EXAI_KEYCHAIN",
      fallback: "auto",
      help:
        "Whether the key of a new vault goes into the system's keychain; auto: where there is one; off: into vault.key",
    },
    ["auto", "off"],
  ),
  clientMetadataUrl: setting<string>(
    {
      env: "EXAI_CLIENT_METADATA_URL",
      help:
        "Where you have published a client id metadata document, by which authorization servers know EXAI; empty: EXAI registers with each",
    },
    { allowed: "empty, or a URL with https and a path", read: textIf(isMetadataUrl) },
  ),
};

/** Whether a text may be a client id that is a URL (MCP basic/authorization, Client ID Metadata Documents). */
function isMetadataUrl(value: string): boolean {
  if (value === "") return true;
  const url = URL.parse(value);
  return url?.protocol === "https:" && url.pathname !== "/";
}
