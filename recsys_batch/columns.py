"""Every column name of the project, once: rooms import names from here and never spell them."""

# Identity. The raw user id exists in bronze tables only; from silver on there is only USER_KEY.
USER_KEY = "user_key"  # 64 hex digits of a keyed HMAC-SHA256, null for an anonymous event
KEY_ID = "key_id"  # which pseudonym key made USER_KEY
ITEM_ID = "item_id"

# Landing and ingest
FILE = "file"  # path relative to the landing folder
LINE = "line"  # 1-based line (row, for Parquet) in FILE
RECORD = "record"  # the line as it landed
FILE_DIGEST = "file_digest"  # SHA-256 of the file's bytes
BATCH_ID = "batch_id"  # digest of the batch's files
BATCH_SEQ = "batch_seq"  # 1, 2, 3, ...: the order in which batches were taken
REASON = "reason"
DETAIL = "detail"
LANDED = "landed"
ACCEPTED = "accepted"
QUARANTINED = "quarantined"
DUPLICATE = "duplicate"
CONTRACT_DIGEST = "contract_digest"
KIND = "kind"  # landing: a batch took new files; replay: it took quarantined lines anew
TAKEN_AT = "taken_at"  # instant a batch was taken
NEWEST_TIME = "newest_time"  # latest time among rows
DAYS_LATE = "days_late"  # days that an event's day lies before the newest of earlier batches
AGE_HOURS = "age_hours"
STATE = "state"
SHARE = "share"  # part of a whole, from 0 to 1
CONTRACT_VERSION = "contract_version"

# Event contract
EVENT_ID = "event_id"
EVENT_TYPE = "event_type"
EVENT_TIME = "event_time"  # UTC
EVENT_DATE = "event_date"  # UTC day of EVENT_TIME, the partition of `events`
REQUEST_ID = "request_id"
POSITION = "position"  # 1-based slot of an impression
CLICKED = "clicked"  # an impression that was acted on
PROPENSITY = "propensity"  # probability with which the logging policy showed the item
PUBLICATION_ID = "publication_id"
RANKED_IN = "ranked_in"
VALUE = "value"  # rating, or what the source calls value
QUANTITY = "quantity"
PRICE = "price"  # per unit, in the source's currency
REGION = "region"
DEVICE = "device"
SURFACE = "surface"
CONSENT = "consent"  # may this event train a model

# Catalogue
TITLE = "title"
CATEGORY = "category"
DESCRIPTION = "description"
TAGS = "tags"
VALID_FROM = "valid_from"
VALID_TO = "valid_to"  # the first instant at which another version holds; null: none does yet
AVAILABLE_FROM = "available_from"
AVAILABLE_UNTIL = "available_until"  # the first instant at which the item is not on offer any more
DELETED = "deleted"
RECOMMENDABLE = "recommendable"

# Profiles and consent
COHORT = "cohort"
BIRTH_YEAR = "birth_year"
AGE_BAND = "age_band"
LEAST_AGE = "least_age"  # whole years that a user has reached for certain, of a few
PREFERENCES = "preferences"  # categories that the user named
CONSENT_TRAINING = "consent_training"  # what a line says of a purpose; null where it says nothing
CONSENT_PERSONALIZATION = "consent_personalization"
PURPOSE = "purpose"  # training or personalization
GRANTED = "granted"
STATED_AT = "stated_at"

# Features and models
AS_OF = "as_of"  # the logical day; inputs are events before its end
RUN_ID = "run_id"
WEIGHT = "weight"
EVENTS = "events"
LAST_TIME = "last_time"
ACTIONS = "actions"
FIRST_TIME = "first_time"
IDX = "idx"  # row of the factor matrix
FACTORS = "factors"
SCORE = "score"
RANK = "rank"  # 1-based
SOURCE = "source"  # the candidate source that put an item into a list
ITEMS = "items"
LEVEL = "level"  # user, cohort, region or global
SEGMENT = "segment"
USER_ROW = "user_row"
SEEN = "seen"  # the user already acted on the item by a type that `recommend.seen_types` names
PART = "part"  # full: all events of the run; train: those before the hold-out
STATED = "stated"  # what events say of an item, as text
UNITS = "units"  # decayed sums in fixed point, of interest and of popularity
POPULAR_UNITS = "popular_units"
HORIZON = "horizon"  # the last batch a run reads

# Evaluation
MODEL = "model"  # lists, popularity or champion
METRIC = "metric"  # with its depth, such as ndcg@10
LOW = "low"  # ends of the interval of VALUE
HIGH = "high"
USERS = "users"  # users measured
DIMENSION = "dimension"  # what SEGMENT is a part of, such as activity or region
PASSED = "passed"
REASONS = "reasons"
