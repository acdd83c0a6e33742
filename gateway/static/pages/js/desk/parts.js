// @ts-check
/** The parts of the desk, as modelops.desk writes them. Nothing but types. */

/**
 * @typedef {object} EngineFacts
 * @property {string} name
 * @property {string} url
 * @property {string} model_name
 * @property {string[]} names
 * @property {string} runtime
 * @property {string} image
 * @property {string[]} arguments
 * @property {number | null} max_model_len
 * @property {string} gpu_name
 * @property {number} gpu_count
 * @property {string | null} ready_at
 */
/**
 * @typedef {object} SlotFacts
 * @property {string} slot
 * @property {"none" | "starting" | "loading" | "ready" | "switching" | "degraded" | "resting" | "unreachable"} state
 * @property {string} profile what answers now; empty where nothing does
 * @property {string} desired_profile
 * @property {string | null} since
 * @property {string} problem
 * @property {string} advice
 * @property {string | null} retry_at
 * @property {{profile: string, is_asleep: boolean, wake_s: number | null} | null} resting
 * @property {{at: string, profile: string, window: string} | null} next_change by its schedule
 * @property {string} schedule_problem
 * @property {EngineFacts | null} engine
 * @property {ReplicasFacts | null} replicas of a profile that runs as several engines
 */
/**
 * @typedef {object} ReplicasFacts
 * @property {number} wanted
 * @property {number} serving
 * @property {string} problem why one is missing
 * @property {{name: string, url: string, state: "starting" | "serving" | "leaving", is_leader: boolean}[]} engines
 */
/**
 * @typedef {object} SwitchFacts
 * @property {string} id
 * @property {string} url
 * @property {string} slot
 * @property {string} from_profile
 * @property {string} to_profile
 * @property {string} state
 * @property {string} via
 * @property {string} actor
 * @property {string} created_at
 */
/** @typedef {{state: string, seconds: number | null, is_ahead: boolean}} SwitchStep */
/**
 * @typedef {SwitchFacts & {phase: string, percent: number | null, remaining_s: number | null, detail: string,
 *   is_waiting: boolean, is_harmless: boolean, can_cancel: boolean, cancelled_by: string, steps: SwitchStep[]}} LiveSwitch
 */
/**
 * @typedef {SwitchFacts & {seconds: number | null, is_cancelled: boolean, is_failed: boolean,
 *   max_model_len: number | null, cause: {code: string, message: string} | null}} EndedSwitch
 */
/**
 * @typedef {object} LoadPoint
 * @property {string} at
 * @property {number} running
 * @property {number} waiting
 * @property {number | null} kv_cache_usage between 0 and 1
 * @property {number | null} prompt_tokens_per_s
 * @property {number | null} generation_tokens_per_s
 * @property {number | null} first_token_s
 */
/**
 * @typedef {object} BoxPart
 * @property {string} name
 * @property {string} host
 * @property {boolean} is_heard
 * @property {string | null} seen_at
 * @property {string[]} slots
 * @property {GpuCard[] | null} cards null where nobody has read them lately
 */
/** @typedef {{total: number, weights: number, kv_cache: number, engine_rest: number, others: number, free: number}} MemoryParts in bytes */
/**
 * @typedef {object} GpuCard
 * @property {number} index
 * @property {string | null} name
 * @property {MemoryParts | null} memory
 * @property {number | null} utilization_percent
 * @property {number | null} temperature_c
 * @property {number | null} power_w
 * @property {number | null} power_limit_w
 * @property {string | null} profile
 * @property {boolean} is_usable
 * @property {{pid: number, name: string | null, used_bytes: number | null, is_ours: boolean}[]} processes
 */
/**
 * @typedef {object} ProfileCard
 * @property {string} slug
 * @property {string} name
 * @property {boolean} is_default
 * @property {"fits" | "tight" | "does_not_fit" | "unknown"} verdict
 * @property {string} why
 * @property {number | null} context
 * @property {number} tensor_parallel_size
 * @property {string} quantization
 * @property {string} url
 * @property {string} switch_url
 * @property {string} fit_url
 */
/** @typedef {{code: string, level: "bad" | "warn", message: string, advice: string, target: string, switch: string,
 *   remedies: {title: string, url: string}[]}} Alarm */
/** @typedef {{day: string, requests: number, failed: number, prompt_tokens: number, completion_tokens: number, users: number}} UsageToday */
/**
 * @typedef {object} DeskParts
 * @property {{slots: SlotFacts[], switcher: {is_alive: boolean, host: string, was_seen: boolean}}} [serving]
 * @property {LiveSwitch[]} [live]
 * @property {Record<string, LoadPoint>} [load] by slot
 * @property {{host: string, taken_at: string, cards: GpuCard[]} | null} [gpus]
 * @property {BoxPart[]} [boxes] none while there is only one
 * @property {ProfileCard[]} [profiles]
 * @property {EndedSwitch[]} [recent]
 * @property {UsageToday} [usage]
 * @property {Alarm[]} [alarms]
 */
export {};
