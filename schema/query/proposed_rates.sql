-- Books that were made elsewhere: key, and rates in the order in which `price_books` has them.
SELECT arrayJoin(JSONExtract({proposed:String}, 'Array(Tuple(String, String, String,
  Array(Tuple(Int64, Int64, UInt32, UInt32, Int64, Nullable(Float64), Nullable(Float64), Nullable(Float64),
    Nullable(Float64), Nullable(Float64), Nullable(Float64)))))')) AS p
