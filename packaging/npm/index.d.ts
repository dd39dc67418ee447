export interface BrokerOptions {
  /** Topics to be there from the start: names, or names and numbers of partitions. */
  topics?: string[] | Record<string, number>;
  /** Keys of server.properties. */
  properties?: Record<string, string | number | boolean>;
  /** Whether asking for a topic that does not exist creates it; true when not given. */
  autoCreate?: boolean;
  /** A folder for data that is to stay; a temporary one otherwise. */
  dir?: string;
  /** Milliseconds that the start and the stop may take; 30000 when not given. */
  timeout?: number;
}

export interface Broker extends AsyncDisposable {
  /** The address for clients, "127.0.0.1:12345". */
  readonly bootstrap: string;
  /** The same as a list, as kafkajs takes it. */
  readonly brokers: string[];
  readonly clusterId: string;
  readonly pid: number;
  /** Stops the broker and waits for its end. Stopping twice is fine. */
  stop(): Promise<void>;
  /** What the broker has logged since its start. */
  log(): string;
  /** Runs a command of gokafka, such as run('topic', 'list', '-b', broker.bootstrap), and resolves to what it prints. */
  run(...args: string[]): Promise<string>;
}

/** Starts a broker on a free port of 127.0.0.1 and resolves once it serves and has its topics. It ends with stop(), or with this process. */
export function startBroker(options?: BrokerOptions): Promise<Broker>;

/** The path of the gokafka binary. */
export function binary(): string;
