import type { CommandFlag, Invocation } from "../command.ts";

export const ACCOUNT_FLAG: CommandFlag = {
  name: "account",
  value: "NAME",
  help: "The account, where the entry of the server has several",
};

/** The query that names a server and the account of the flag. */
export function targetOf(server: string, { options }: Pick<Invocation, "options">): Record<string, string> {
  const account = options.get(ACCOUNT_FLAG.name)?.at(-1);
  return { server, ...(account === undefined ? {} : { account }) };
}
