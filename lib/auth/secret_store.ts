/** Keeps the user's secrets, by name. A name is `[A-Za-z0-9._-]`, at most 64 characters. */
export interface SecretStore {
  /** Where the secrets are, as a person would say it: "the encrypted vault". */
  readonly place: string;
  get(name: string): Promise<string | undefined>;
  set(name: string, value: string): Promise<void>;
  /** Whether there was one. */
  remove(name: string): Promise<boolean>;
  names(): Promise<readonly string[]>;
}
