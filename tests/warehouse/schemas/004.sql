-- The tables of version 4 with a row in each, as its program made them. Never edited.

CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL);
INSERT INTO schema_versions VALUES (4, TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00');

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
    ctime_ns BIGINT,
    inode BIGINT,
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
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    NULL,
    NULL
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
    embedding_scale DOUBLE,
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
    {'load': 0.0, 'vision': 0.0, 'prefill': 0.0, 'loop': 0.0, 'answer': 0.0, 'write': 0.0},
    NULL
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
    created_at TIMESTAMPTZ NOT NULL,
    claims VARCHAR[],
    oddity VARCHAR
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
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    ['defective', 'good'],
    NULL
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

CREATE TABLE schedules (
    name VARCHAR NOT NULL,
    archive VARCHAR NOT NULL,
    cron VARCHAR NOT NULL,
    timezone VARCHAR NOT NULL,
    time_window VARCHAR,
    priority BIGINT NOT NULL,
    settings VARCHAR NOT NULL,
    review_budget BIGINT,
    golden VARCHAR,
    golden_run VARCHAR,
    paused BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (name)
);
INSERT INTO schedules VALUES (
    'text',
    'text',
    'text',
    'text',
    'text',
    1,
    'text',
    1,
    'text',
    'text',
    true,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE nights (
    schedule VARCHAR NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    first_due_at TIMESTAMPTZ NOT NULL,
    covered BIGINT NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('running', 'finished', 'cut', 'stopped', 'failed', 'alarm', 'void')),
    started_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ,
    tries BIGINT NOT NULL,
    images BIGINT NOT NULL,
    message VARCHAR
);
INSERT INTO nights VALUES (
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    1,
    'running',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    1,
    1,
    'text'
);

CREATE TABLE night_runs (
    schedule VARCHAR NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    run_id VARCHAR NOT NULL,
    purpose VARCHAR NOT NULL CHECK (purpose IN ('archive', 'golden', 'rescore')),
    PRIMARY KEY (schedule, due_at, run_id)
);
INSERT INTO night_runs VALUES (
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    'text',
    'archive'
);

CREATE TABLE planned_images (
    run_id VARCHAR NOT NULL,
    image_id VARCHAR NOT NULL
);
INSERT INTO planned_images VALUES (
    'text',
    'text'
);

CREATE TABLE night_steps (
    schedule VARCHAR NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    step VARCHAR NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('done', 'failed', 'skipped')),
    message VARCHAR NOT NULL,
    seconds DOUBLE NOT NULL,
    ended_at TIMESTAMPTZ NOT NULL
);
INSERT INTO night_steps VALUES (
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    'text',
    'done',
    'text',
    0.5,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE morning_reports (
    schedule VARCHAR NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    made_at TIMESTAMPTZ NOT NULL,
    report VARCHAR NOT NULL
);
INSERT INTO morning_reports VALUES (
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    'text'
);

CREATE TABLE backups (
    made_at TIMESTAMPTZ NOT NULL,
    path VARCHAR NOT NULL
);
INSERT INTO backups VALUES (
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    'text'
);

CREATE TABLE disputes (
    dispute_id VARCHAR NOT NULL,
    image_id VARCHAR NOT NULL,
    question_id VARCHAR NOT NULL,
    number BIGINT NOT NULL,
    run_id VARCHAR NOT NULL,
    image_path VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    subtask VARCHAR NOT NULL,
    question VARCHAR NOT NULL,
    options STRUCT(letter VARCHAR, text VARCHAR)[] NOT NULL,
    answer VARCHAR,
    correct_answer VARCHAR,
    entropy DOUBLE,
    margin DOUBLE,
    error_probability DOUBLE,
    slots BIGINT NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    claims VARCHAR[],
    PRIMARY KEY (dispute_id)
);
INSERT INTO disputes VALUES (
    'text',
    'text',
    'text',
    1,
    'text',
    'text',
    'text',
    'text',
    'text',
    [{'letter': 'text', 'text': 'text'}],
    'text',
    'text',
    0.5,
    0.5,
    0.5,
    1,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    NULL
);

CREATE TABLE dispute_reasons (
    dispute_id VARCHAR NOT NULL,
    reason VARCHAR NOT NULL CHECK (reason IN ('uncertain', 'label', 'contradiction', 'flip', 'elsewhere', 'person', 'audit')),
    score DOUBLE NOT NULL,
    weight DOUBLE NOT NULL,
    note VARCHAR NOT NULL,
    opened_by VARCHAR NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (dispute_id, reason)
);
INSERT INTO dispute_reasons VALUES (
    'text',
    'uncertain',
    0.5,
    0.5,
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE budget_curves (
    run_id VARCHAR NOT NULL,
    cases BIGINT NOT NULL,
    calibrated_on VARCHAR NOT NULL,
    points STRUCT(reviews BIGINT, threshold DOUBLE, caught DOUBLE, caught_low DOUBLE, caught_high DOUBLE, missed DOUBLE, missed_low DOUBLE, missed_high DOUBLE)[] NOT NULL,
    made_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id)
);
INSERT INTO budget_curves VALUES (
    'text',
    1,
    'text',
    [{'reviews': 1, 'threshold': 0.5, 'caught': 0.5, 'caught_low': 0.5, 'caught_high': 0.5, 'missed': 0.5, 'missed_low': 0.5, 'missed_high': 0.5}],
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE audit_draws (
    run_id VARCHAR NOT NULL,
    population BIGINT NOT NULL,
    seed BIGINT NOT NULL,
    cases STRUCT(image_id VARCHAR, question_id VARCHAR)[] NOT NULL,
    drawn_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (run_id)
);
INSERT INTO audit_draws VALUES (
    'text',
    1,
    1,
    [{'image_id': 'text', 'question_id': 'text'}],
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE review_projects (
    project_key VARCHAR NOT NULL,
    server VARCHAR NOT NULL,
    slot BIGINT NOT NULL,
    config VARCHAR NOT NULL,
    project_id BIGINT,
    pulled_until TIMESTAMPTZ,
    lost_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (project_key)
);
INSERT INTO review_projects VALUES (
    'text',
    'text',
    1,
    'text',
    1,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE review_tasks (
    task_key VARCHAR NOT NULL,
    dispute_id VARCHAR NOT NULL,
    slot BIGINT NOT NULL,
    project_key VARCHAR NOT NULL,
    task_id BIGINT NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    sent_at TIMESTAMPTZ NOT NULL,
    unblinded BOOLEAN NOT NULL,
    PRIMARY KEY (task_key)
);
INSERT INTO review_tasks VALUES (
    'text',
    'text',
    1,
    'text',
    1,
    1,
    1,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    false
);

CREATE TABLE verdicts (
    verdict_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    dispute_id VARCHAR NOT NULL,
    slot BIGINT NOT NULL,
    run_id VARCHAR NOT NULL,
    image_id VARCHAR NOT NULL,
    question_id VARCHAR NOT NULL,
    reviewer VARCHAR NOT NULL,
    decision VARCHAR NOT NULL CHECK (decision IN ('correct', 'wrong', 'unsure')),
    right_answer VARCHAR,
    boxes STRUCT(x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE)[] NOT NULL,
    explanation VARCHAR CHECK (explanation IN ('supports', 'irrelevant', 'misleads')),
    better_description VARCHAR,
    comment VARCHAR,
    seconds DOUBLE,
    judged_at TIMESTAMPTZ NOT NULL,
    stored_at TIMESTAMPTZ NOT NULL,
    deleted BOOLEAN NOT NULL,
    unblinded BOOLEAN NOT NULL,
    PRIMARY KEY (verdict_id, revision)
);
INSERT INTO verdicts VALUES (
    'text',
    1,
    'text',
    1,
    'text',
    'text',
    'text',
    'text',
    'correct',
    'text',
    [{'x0': 0.5, 'y0': 0.5, 'x1': 0.5, 'y1': 0.5}],
    'supports',
    'text',
    'text',
    0.5,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    true,
    false
);

CREATE TABLE settlements (
    image_id VARCHAR NOT NULL,
    question_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    dispute_id VARCHAR NOT NULL,
    decision VARCHAR NOT NULL CHECK (decision IN ('correct', 'wrong', 'unsure')),
    right_answer VARCHAR,
    label VARCHAR,
    basis VARCHAR NOT NULL CHECK (basis IN ('single', 'agreed', 'majority', 'person')),
    author VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    withdrawn BOOLEAN NOT NULL,
    settled_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (image_id, question_id, revision)
);
INSERT INTO settlements VALUES (
    'text',
    'text',
    1,
    'text',
    'correct',
    'text',
    'text',
    'single',
    'text',
    'text',
    true,
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE quarantined_results (
    result_id VARCHAR NOT NULL,
    project_key VARCHAR NOT NULL,
    task_id BIGINT NOT NULL,
    annotation_id BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    payload VARCHAR NOT NULL,
    found_at TIMESTAMPTZ NOT NULL,
    untold BOOLEAN NOT NULL,
    PRIMARY KEY (result_id)
);
INSERT INTO quarantined_results VALUES (
    'text',
    'text',
    1,
    1,
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00',
    false
);

CREATE TABLE facts (
    run_id VARCHAR NOT NULL,
    block BIGINT NOT NULL,
    image_id VARCHAR NOT NULL,
    image_path VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    label VARCHAR,
    defect VARCHAR,
    line VARCHAR,
    camera VARCHAR,
    night VARCHAR NOT NULL,
    question_id VARCHAR NOT NULL,
    asked VARCHAR NOT NULL,
    subtask VARCHAR NOT NULL,
    question VARCHAR NOT NULL,
    conditional BOOLEAN NOT NULL,
    status VARCHAR NOT NULL CHECK (status IN ('answered', 'invalid', 'failed')),
    error VARCHAR,
    answer VARCHAR,
    correct_answer VARCHAR,
    answer_text VARCHAR,
    correct_text VARCHAR,
    choices BIGINT NOT NULL,
    outcome VARCHAR NOT NULL CHECK (outcome IN ('escape', 'overkill', 'wrong', 'invalid', 'failed', 'right', 'unlabelled')),
    confidence DOUBLE,
    first_entropy DOUBLE,
    settled_entropy DOUBLE,
    shape VARCHAR CHECK (shape IN ('flat-low', 'falling', 'oscillating', 'late rise', 'stuck-high')),
    description VARCHAR,
    retrieval VARCHAR CHECK (retrieval IN ('right', 'other entry', 'other product', 'none')),
    seconds DOUBLE NOT NULL,
    claim VARCHAR CHECK (claim IN ('defective', 'good', 'cannot say', 'unreadable')),
    defect_probability DOUBLE
);
INSERT INTO facts VALUES (
    '20250103T220005123Z-a1b2c3d4',
    0,
    'image-0',
    'bottle/test/000.png',
    'drawn',
    'bottle',
    'good',
    NULL,
    NULL,
    NULL,
    '2025-01-03',
    'question-0',
    'b218aff5d3ecc18c7e387dbe4fe8734d',
    'Anomaly Detection',
    'Is there any defect in the object?',
    false,
    'answered',
    NULL,
    'B',
    'B',
    'No.',
    'No.',
    2,
    'right',
    0.875,
    1.5,
    1.0,
    'falling',
    'drawn/bottle/crack',
    'other entry',
    0.25,
    'good',
    0.125
);

CREATE TABLE cells (
    run_id VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    subtask VARCHAR,
    label VARCHAR,
    defect VARCHAR,
    line VARCHAR,
    camera VARCHAR,
    images BIGINT NOT NULL,
    questions BIGINT NOT NULL,
    answered BIGINT NOT NULL,
    invalid BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    judged BIGINT NOT NULL,
    counted BIGINT NOT NULL,
    correct BIGINT NOT NULL,
    escape BIGINT NOT NULL,
    overkill BIGINT NOT NULL,
    chance DOUBLE NOT NULL,
    entropies BIGINT NOT NULL,
    entropy DOUBLE NOT NULL,
    seconds DOUBLE NOT NULL,
    nn BIGINT NOT NULL,
    ny BIGINT NOT NULL,
    yy BIGINT NOT NULL,
    unreadable BIGINT NOT NULL,
    unclaimed BIGINT NOT NULL
);
INSERT INTO cells VALUES (
    '20250103T220005123Z-a1b2c3d4',
    'drawn',
    'bottle',
    NULL,
    'good',
    NULL,
    NULL,
    NULL,
    1,
    1,
    1,
    0,
    0,
    1,
    1,
    1,
    0,
    0,
    0.5,
    1,
    1.0,
    0.25,
    1,
    1,
    1,
    0,
    0
);

CREATE TABLE knowledge_changes (
    number BIGINT NOT NULL,
    description_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('draft', 'testing', 'published', 'retired')),
    version VARCHAR,
    author VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (number)
);
INSERT INTO knowledge_changes VALUES (
    1,
    'drawn/bottle/crack',
    1,
    'published',
    NULL,
    'someone',
    'import',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE knowledge_sentences (
    description_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    place BIGINT NOT NULL,
    text VARCHAR NOT NULL,
    origin VARCHAR NOT NULL CHECK (origin IN ('kept', 'verdict', 'curator', 'model')),
    dispute_id VARCHAR,
    verdict_id VARCHAR,
    image_id VARCHAR
);
INSERT INTO knowledge_sentences VALUES (
    'text',
    1,
    1,
    'text',
    'kept',
    'text',
    'text',
    'text'
);

CREATE TABLE knowledge_trials (
    version VARCHAR NOT NULL,
    members STRUCT(description_id VARCHAR, revision BIGINT)[] NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (version)
);
INSERT INTO knowledge_trials VALUES (
    'text',
    [{'description_id': 'text', 'revision': 1}],
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE gate_attempts (
    description_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    budget VARCHAR NOT NULL,
    attempt BIGINT NOT NULL,
    alpha DOUBLE NOT NULL,
    margin DOUBLE NOT NULL,
    against BIGINT,
    base_version VARCHAR,
    trial_version VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    plan VARCHAR NOT NULL,
    affected VARCHAR[] NOT NULL,
    elsewhere VARCHAR[] NOT NULL,
    author VARCHAR NOT NULL,
    opened_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (description_id, revision)
);
INSERT INTO gate_attempts VALUES (
    'text',
    1,
    'text',
    1,
    0.5,
    0.5,
    1,
    'text',
    'text',
    'text',
    'text',
    ['text'],
    ['text'],
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE gate_results (
    description_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    verdict VARCHAR NOT NULL CHECK (verdict IN ('better', 'worse', 'not enough evidence')),
    why VARCHAR NOT NULL,
    images BIGINT NOT NULL,
    questions BIGINT NOT NULL,
    won BIGINT NOT NULL,
    lost BIGINT NOT NULL,
    difference DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL,
    p_better DOUBLE NOT NULL,
    p_worse DOUBLE NOT NULL,
    elsewhere_images BIGINT NOT NULL,
    elsewhere_questions BIGINT NOT NULL,
    elsewhere_won BIGINT NOT NULL,
    elsewhere_lost BIGINT NOT NULL,
    elsewhere_difference DOUBLE NOT NULL,
    elsewhere_low DOUBLE NOT NULL,
    images_needed BIGINT,
    old_run VARCHAR NOT NULL,
    new_run VARCHAR NOT NULL,
    closed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (description_id, revision)
);
INSERT INTO gate_results VALUES (
    'text',
    1,
    'better',
    'text',
    1,
    1,
    1,
    1,
    0.5,
    0.5,
    0.5,
    0.5,
    0.5,
    1,
    1,
    1,
    1,
    0.5,
    0.5,
    1,
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE knowledge_lifts (
    description_id VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    run_id VARCHAR NOT NULL,
    retrieved BIGINT NOT NULL,
    strayed BIGINT NOT NULL,
    sampled BIGINT NOT NULL,
    questions BIGINT NOT NULL,
    helped BIGINT NOT NULL,
    harmed BIGINT NOT NULL,
    lift DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL,
    subtasks STRUCT(subtask VARCHAR, questions BIGINT, helped BIGINT, harmed BIGINT)[] NOT NULL,
    measured_at TIMESTAMPTZ NOT NULL
);
INSERT INTO knowledge_lifts VALUES (
    'text',
    1,
    'text',
    1,
    1,
    1,
    1,
    1,
    1,
    0.5,
    0.5,
    0.5,
    [],
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);

CREATE TABLE arms (
    experiment VARCHAR NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('ablation', 'stress')),
    archive_id VARCHAR NOT NULL,
    place BIGINT NOT NULL,
    arm VARCHAR NOT NULL,
    family VARCHAR NOT NULL,
    level DOUBLE,
    baseline VARCHAR,
    run_id VARCHAR NOT NULL,
    finished_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (experiment, arm)
);
INSERT INTO arms VALUES (
    'text',
    'ablation',
    'text',
    1,
    'text',
    'text',
    0.5,
    'text',
    'text',
    TIMESTAMPTZ '2025-01-03T22:00:05.123456+00:00'
);
