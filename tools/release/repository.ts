import { fromFileUrl } from "@std/path";

const ADDRESS = /^(?:https:\/\/|git@|ssh:\/\/git@)([\w.-]+)[/:]([\w.-]+\/[\w.-]+?)(?:\.git)?\/?$/;

/**
 * Where releases are published, as `https://github.com/OWNER/NAME`: what is given, else what GitHub Actions says, else the
 * remote `origin` of this clone. Undefined when none of them is a repository of a host.
 *
 * @throws when what is given is none
 */
export async function repositoryUrl(given: string | undefined): Promise<string | undefined> {
  if (given !== undefined) {
    const found = normalized(given);
    if (found === undefined) {
      throw new Error(`--repository must look like https://github.com/OWNER/NAME: ${given}`);
    }
    return found;
  }
  const [server, name] = [Deno.env.get("GITHUB_SERVER_URL"), Deno.env.get("GITHUB_REPOSITORY")];
  if (server && name) return normalized(`${server}/${name}`);
  const cwd = fromFileUrl(new URL("../../", import.meta.url));
  const command = new Deno.Command("git", { args: ["remote", "get-url", "origin"], cwd, stderr: "null" });
  const { success, stdout } = await command.output();
  return success ? normalized(new TextDecoder().decode(stdout).trim()) : undefined;
}

function normalized(address: string): string | undefined {
  const [, host, path] = ADDRESS.exec(address) ?? [];
  return host && `https://${host}/${path}`;
}
