import type { Keychain } from "./keychain.ts";
import { MacosKeychain } from "./keychains/macos_keychain.ts";
import { SecretService } from "./keychains/secret_service.ts";
import { WindowsCredentials } from "./keychains/windows_credentials.ts";

/** The keychain that this system has; whether it can be used is seen when it is. */
export function systemKeychain(): Keychain {
  switch (Deno.build.os) {
    case "windows":
      return new WindowsCredentials();
    case "darwin":
      return new MacosKeychain();
    default:
      return new SecretService();
  }
}
