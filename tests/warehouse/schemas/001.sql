-- The tables of version 1 with a row in each, as the program of that version made them. Never edited.

CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL);
INSERT INTO schema_versions VALUES (1, TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00');

CREATE TABLE archives (
    archive_id VARCHAR NOT NULL,
    root VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    registered_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (archive_id)
);
INSERT INTO archives VALUES (
    'archive',
    '/images',
    'images',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE entries (
    image_id VARCHAR NOT NULL,
    archive_id VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    label VARCHAR,
    defect VARCHAR,
    mask_path VARCHAR,
    reference_path VARCHAR,
    line VARCHAR,
    camera VARCHAR,
    captured_at TIMESTAMPTZ,
    seen_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (image_id)
);
INSERT INTO entries VALUES (
    'image-0',
    'archive',
    'bottle/test/000.png',
    '0000000000000000000000000000000000000000000000000000000000000000',
    1000,
    0,
    'drawn',
    'bottle',
    'defective',
    'crack',
    NULL,
    NULL,
    NULL,
    NULL,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE runs (
    run_id VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    plan VARCHAR NOT NULL,
    archive_id VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    demo BOOLEAN NOT NULL,
    settings VARCHAR NOT NULL,
    knowledge_version VARCHAR,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    state VARCHAR NOT NULL CHECK (state IN ('running', 'finished', 'stopped', 'failed', 'cancelled')),
    message VARCHAR,
    planned BIGINT NOT NULL,
    answered BIGINT NOT NULL,
    invalid BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    host VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    versions VARCHAR NOT NULL,
    timings STRUCT(load DOUBLE, vision DOUBLE, prefill DOUBLE, loop DOUBLE, answer DOUBLE, write DOUBLE) NOT NULL,
    PRIMARY KEY (run_id)
);
INSERT INTO runs VALUES (
    '20250103T220005123Z-a1b2c3d4',
    'a1b2c3d4',
    'plan',
    'archive',
    'embedded',
    true,
    '{"method": {"iterations": 10}}',
    NULL,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    NULL,
    'running',
    NULL,
    10,
    1,
    0,
    0,
    'here',
    'cpu',
    '{}',
    {'load': 0.0, 'vision': 0.0, 'prefill': 0.0, 'loop': 0.0, 'answer': 0.0, 'write': 0.0}
);

CREATE TABLE predictions (
    run_id VARCHAR NOT NULL,
    block BIGINT NOT NULL,
    image_id VARCHAR NOT NULL,
    image_path VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    label VARCHAR,
    defect VARCHAR,
    line VARCHAR,
    camera VARCHAR,
    captured_at TIMESTAMPTZ,
    question_id VARCHAR NOT NULL,
    subtask VARCHAR NOT NULL,
    question VARCHAR NOT NULL,
    options STRUCT(letter VARCHAR, text VARCHAR)[] NOT NULL,
    conditional BOOLEAN NOT NULL,
    reference_path VARCHAR,
    answer VARCHAR,
    correct_answer VARCHAR,
    status VARCHAR NOT NULL CHECK (status IN ('answered', 'invalid', 'failed')),
    error VARCHAR,
    initial_option_probabilities MAP(VARCHAR, DOUBLE) NOT NULL,
    option_probabilities MAP(VARCHAR, DOUBLE) NOT NULL,
    entropy DOUBLE[] NOT NULL,
    token_entropy DOUBLE[][] NOT NULL,
    reward DOUBLE[] NOT NULL,
    best_iteration BIGINT,
    descriptions STRUCT(description_id VARCHAR, revision BIGINT, rank BIGINT, score DOUBLE)[] NOT NULL,
    knowledge_dropped BIGINT NOT NULL,
    knowledge_cut BOOLEAN NOT NULL,
    raw_text VARCHAR,
    rationale VARCHAR,
    seconds DOUBLE NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
INSERT INTO predictions VALUES (
    '20250103T220005123Z-a1b2c3d4',
    0,
    'image-0',
    'bottle/test/000.png',
    '0000000000000000000000000000000000000000000000000000000000000000',
    'drawn',
    'bottle',
    'good',
    NULL,
    NULL,
    NULL,
    NULL,
    'question-0',
    'Anomaly Detection',
    'Is there any defect in the object?',
    [{'letter': 'A', 'text': 'Yes.'}, {'letter': 'B', 'text': 'No.'}],
    false,
    NULL,
    'B',
    'B',
    'answered',
    NULL,
    MAP {'A': 0.4, 'B': 0.6},
    MAP {'A': 0.125, 'B': 0.875},
    [1.5, 1.25, 1.0],
    [[1.0, 2.0], [1.0, 1.5], [1.0, 1.0]],
    [-0.5, -0.25, 0.0],
    2,
    [{'description_id': 'drawn/bottle/crack', 'revision': 1, 'rank': 1, 'score': 0.5}],
    0,
    false,
    NULL,
    NULL,
    0.25,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE patches (
    run_id VARCHAR NOT NULL,
    block BIGINT NOT NULL,
    image_id VARCHAR NOT NULL,
    question_id VARCHAR NOT NULL,
    iteration BIGINT NOT NULL,
    row BIGINT NOT NULL,
    col BIGINT NOT NULL,
    x0 DOUBLE NOT NULL,
    y0 DOUBLE NOT NULL,
    x1 DOUBLE NOT NULL,
    y1 DOUBLE NOT NULL,
    score DOUBLE NOT NULL,
    accepted BOOLEAN NOT NULL
);
INSERT INTO patches VALUES (
    '20250103T220005123Z-a1b2c3d4',
    0,
    'image-0',
    'question-0',
    1,
    2,
    3,
    0.0,
    1.0,
    28.0,
    29.0,
    0.5,
    true
);

CREATE TABLE ledger (
    run_id VARCHAR NOT NULL,
    block BIGINT NOT NULL,
    predictions BIGINT NOT NULL,
    patches BIGINT NOT NULL,
    ingested_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id, block)
);
INSERT INTO ledger VALUES (
    '20250103T220005123Z-a1b2c3d4',
    0,
    1,
    1,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE descriptions (
    description_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    entry VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('draft', 'testing', 'published', 'retired')),
    author VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (description_id, revision)
);
INSERT INTO descriptions VALUES (
    'drawn/bottle/crack',
    1,
    'drawn',
    'bottle',
    'crack',
    'A worker''s crack.',
    'published',
    'someone',
    'import',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE knowledge_versions (
    version VARCHAR NOT NULL,
    members STRUCT(description_id VARCHAR, revision BIGINT)[] NOT NULL,
    published_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (version, published_at)
);
INSERT INTO knowledge_versions VALUES (
    'v1',
    [{'description_id': 'drawn/bottle/crack', 'revision': 1}],
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);
