//! What is said to the endpoint and what it answers.

use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub(super) struct Question<'a> {
    pub(super) model: &'a str,
    pub(super) input: &'a [&'a str],
    /// Some endpoints know no such field, so it is left out unless it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dimensions: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct Answer {
    data: Vec<Item>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vec<f32>,
}

#[derive(Deserialize)]
struct Usage {
    total_tokens: Option<u64>,
    prompt_tokens: Option<u64>,
}

impl Answer {
    /// The tokens it counted.
    pub(super) fn tokens(&self) -> u64 {
        self.usage.as_ref().and_then(|usage| usage.total_tokens.or(usage.prompt_tokens)).unwrap_or(0)
    }

    /// The numbers of each text, in the order of the texts; what is wrong with the answer, if it has not just those.
    pub(super) fn rows(self, texts: usize) -> Result<Vec<Vec<f32>>, String> {
        if self.data.len() != texts {
            return Err(format!("{} vectors for {texts} texts", self.data.len()));
        }
        let mut rows: Vec<Option<Vec<f32>>> = vec![None; texts];
        for (place, item) in self.data.into_iter().enumerate() {
            let index = item.index.unwrap_or(place);
            let row = rows.get_mut(index).filter(|row| row.is_none());
            *row.ok_or_else(|| format!("the index {index} is not one of a text, or stands there twice"))? =
                Some(item.embedding);
        }
        Ok(rows.into_iter().flatten().collect())
    }
}
