// The API as a test uses it to prepare what the pages show.
import type { Program } from "./program";

export class ApiCaller {
  private constructor(
    private readonly address: string,
    readonly token: string,
  ) {}

  static async signedIn(program: Program, email: string): Promise<ApiCaller> {
    const nobody = new ApiCaller(program.address, "");
    const document = `mutation ($input: SignInInput!) {
      signIn(input: $input) { ... on Session { accessToken } } }`;
    const { signIn } = await nobody.ask<{ signIn: { accessToken: string } }>(document, {
      input: { email, password: program.password },
    });
    return new ApiCaller(program.address, signIn.accessToken);
  }

  async ask<Data>(query: string, variables: object = {}): Promise<Data> {
    const response = await fetch(`${this.address}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${this.token}` },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as { data: Data; errors?: unknown };
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  }

  async send(to: string[], text: string): Promise<string> {
    const document = `mutation ($input: BulkSendInput!) {
      bulkSend(input: $input) { ... on Send { id } ... on UserError { message } } }`;
    const { bulkSend } = await this.ask<{ bulkSend: { id: string } }>(document, {
      input: { to, text },
    });
    return bulkSend.id;
  }

  /** The balance of the viewer's client. */
  async balance(): Promise<number> {
    const { balances } = await this.ask<{ balances: { account: { balance: number } } }>(
      "{ balances { account { balance } } }",
    );
    return balances.account.balance;
  }

  /** An inbound message, as a provider reports it. */
  static async inbound(program: Program, from: string, message: string): Promise<void> {
    const body = { messageId: `test-${Math.random()}`, from, message, modem: "modem-7", port: "2" };
    const response = await fetch(`${program.address}/webhooks/extreme`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(await response.text());
  }
}
