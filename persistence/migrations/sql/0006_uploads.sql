-- What must hold whatever the program does, for files that are kept for a day.

ALTER TABLE upload
    ADD CONSTRAINT upload_client_exists FOREIGN KEY (client_id) REFERENCES client (id),
    ADD CONSTRAINT upload_not_empty CHECK (size > 0 AND rows > 0),
    ADD CONSTRAINT upload_delimiter_known CHECK (delimiter IN (',', ';', E'\t', '|'));
CREATE INDEX upload_by_client ON upload (client_id);
CREATE INDEX upload_by_age ON upload (created_at);

-- Gone with its upload. To compress what lives for a day would cost more time than room is worth.
ALTER TABLE upload_part
    DROP CONSTRAINT upload_part_pkey,
    ADD PRIMARY KEY (upload_id, position),
    ADD CONSTRAINT upload_part_upload_exists FOREIGN KEY (upload_id)
        REFERENCES upload (id) ON DELETE CASCADE,
    ALTER COLUMN content SET STORAGE EXTERNAL;
